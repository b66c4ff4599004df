package dev.fathom.cli;

import java.util.List;
import picocli.CommandLine;

/// Every verb, in the order in which help lists them. A new verb is one line in [#verbs].
final class Commands {

  /// Headings of the verb list in `fathom --help`, in order. A hidden verb runs but is not listed.
  enum Group {
    SEE("See inside a model"),
    CHANGE("Change a model"),
    RUN("Run a model"),
    FILES("Models and files"),
    MACHINE("This machine"),
    HIDDEN("");

    final String heading;

    Group(String heading) {
      this.heading = heading;
    }
  }

  private record Verb(Group group, Object command) {}

  private Commands() {}

  private static List<Verb> verbs(Console console) {
    return List.of(
        new Verb(Group.SEE, new ExplainCommand(console)),
        new Verb(Group.SEE, new CompareCommand(console)),
        new Verb(Group.SEE, LensCommand.tree(console)),
        new Verb(Group.SEE, new AblateCommand(console)),
        new Verb(Group.SEE, new PatchCommand(console)),
        new Verb(Group.SEE, new TraceCommand(console)),
        new Verb(Group.SEE, new DecomposeCommand(console)),
        new Verb(Group.SEE, new DlaCommand(console)),
        new Verb(Group.SEE, new AttributeCommand(console)),
        new Verb(Group.SEE, new AttentionCommand(console)),
        new Verb(Group.SEE, new NeuronsCommand(console)),
        new Verb(Group.SEE, new ProbeCommand(console)),
        new Verb(Group.SEE, ConceptsCommand.tree(console)),
        new Verb(Group.SEE, new FiguresCommand(console)),
        new Verb(Group.SEE, new EvaluateCommand(console)),
        new Verb(Group.SEE, new CaptureCommand(console)),
        new Verb(Group.SEE, new TokenizeCommand(console)),
        new Verb(Group.FILES, new ModelsCommand(console)),
        new Verb(Group.FILES, new PullCommand(console)),
        new Verb(Group.FILES, new ConvertCommand(console)),
        new Verb(Group.FILES, new InspectCommand(console)),
        new Verb(Group.FILES, new VerifyCommand(console)),
        new Verb(Group.FILES, WorldCommand.tree(console)),
        new Verb(Group.CHANGE, EditCommand.tree(console)),
        new Verb(Group.CHANGE, new MergeCommand(console)),
        new Verb(Group.CHANGE, new RefineCommand(console)),
        new Verb(Group.CHANGE, StudyCommand.tree(console)),
        new Verb(Group.CHANGE, AlignCommand.tree(console)),
        new Verb(Group.CHANGE, new SteerCommand(console)),
        new Verb(Group.RUN, new GenerateCommand(console)),
        new Verb(Group.RUN, new ChatCommand(console)),
        new Verb(Group.RUN, new ExitCommand(console)),
        new Verb(Group.MACHINE, new DoctorCommand(console)),
        new Verb(Group.MACHINE, new CompletionCommand(console)),
        new Verb(Group.MACHINE, new HelpCommand()),
        new Verb(Group.HIDDEN, new WarmUpCommand()));
  }

  /// The whole command tree, ready to parse; the completion script and the tests read it too.
  static CommandLine tree(Console console) {
    var root = new CommandLine(new FathomCommand());
    var verbs = verbs(console);
    verbs.forEach(verb -> root.addSubcommand(verb.command()));
    Usage.layOut(root, verbs.stream().map(Verb::group).toList());
    return root;
  }
}
