package dev.fathom.cli;

import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/// `fathom help VERB`, the same as `fathom VERB --help`. (picocli's own clashes with the inherited
/// `--help`.)
@Command(
    name = "help",
    description = "Shows everything about one verb.",
    footer = {"", "Examples:", "  fathom help doctor"})
final class HelpCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();

  @Parameters(
      arity = "0..1",
      paramLabel = "VERB",
      description = "The verb; without it, all of them are listed.")
  private @Nullable String verb;

  @Override
  public Integer call() {
    var root = spec.root().commandLine();
    var asked = verb == null ? root : root.getSubcommands().get(verb);
    if (asked == null) throw unknown(verb);
    asked.usage(root.getOut(), root.getColorScheme());
    return Main.DONE;
  }

  private ParameterException unknown(@Nullable String name) {
    return new UnmatchedArgumentException(spec.root().commandLine(), List.of(String.valueOf(name)));
  }
}
