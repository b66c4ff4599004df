package dev.fathom.cli;

import static picocli.CommandLine.Model.UsageMessageSpec.SECTION_KEY_COMMAND_LIST;
import static picocli.CommandLine.Model.UsageMessageSpec.SECTION_KEY_COMMAND_LIST_HEADING;

import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;

/// Every verb, in the order in which help lists them. A new verb is one line in [#verbs].
final class Commands {

  /// Headings of the verb list in `fathom --help`.
  enum Group {
    SEE("See inside a model"),
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

  private static List<Verb> verbs(Console console) {
    return List.of(
        new Verb(Group.MACHINE, new DoctorCommand(console)),
        new Verb(Group.MACHINE, new CompletionCommand(console)),
        new Verb(Group.MACHINE, new HelpCommand()),
        new Verb(Group.HIDDEN, new WarmUpCommand()));
  }

  private Commands() {}

  /// Adds the verbs to the root command, and lists them by group in its help.
  static void addTo(CommandLine root, Console console) {
    var groups = new ArrayList<Group>();
    for (var verb : verbs(console)) {
      root.addSubcommand(verb.command());
      groups.add(verb.group());
    }
    var sections = root.getHelpSectionMap();
    sections.put(SECTION_KEY_COMMAND_LIST_HEADING, _ -> "");
    sections.put(
        SECTION_KEY_COMMAND_LIST,
        help -> list(List.copyOf(help.allSubcommands().values()), groups));
  }

  private static String list(List<CommandLine.Help> verbs, List<Group> groups) {
    var text = new StringBuilder();
    for (var group : Group.values()) {
      if (group == Group.HIDDEN || !groups.contains(group)) continue;
      text.append("%n%s:%n".formatted(group.heading));
      for (int i = 0; i < groups.size(); i++) {
        if (groups.get(i) != group) continue;
        var verb = verbs.get(i);
        var what = verb.commandSpec().usageMessage().description()[0];
        text.append(
            "  %s%s%n"
                .formatted(verb.colorScheme().commandText(pad(verb.commandSpec().name())), what));
      }
    }
    return text.toString();
  }

  private static String pad(String name) {
    return "%-12s".formatted(name);
  }
}
