package dev.fathom.cli;

import dev.fathom.Version;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/// `fathom` itself: the options that every verb has. [Main] reads `--no-color` and `--stacktrace`
/// before parsing, because errors of parsing obey them too; they are declared here for help and
/// completion.
@Command(
    name = "fathom",
    description = "Explains, refines and aligns transformer language models.",
    versionProvider = FathomCommand.VersionLine.class,
    synopsisHeading = "",
    customSynopsis = "Usage: fathom VERB [OPTION...]",
    optionListHeading = "%nOptions of every verb:%n",
    footer = {
      "",
      "Examples:",
      "  fathom doctor                    what this machine offers",
      "  fathom help doctor               everything about one verb",
      "",
      "Exit codes: 0 done, 1 failed, 2 misused.",
    })
final class FathomCommand {
  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      scope = ScopeType.INHERIT,
      description = "Show help and stop.")
  private boolean help;

  @Option(
      names = {"-V", "--version"},
      versionHelp = true,
      description = "Show the version and stop.")
  private boolean version;

  @Option(
      names = "--no-color",
      scope = ScopeType.INHERIT,
      description = "No colour, as with NO_COLOR in the environment.")
  private boolean noColor;

  @Option(
      names = "--stacktrace",
      scope = ScopeType.INHERIT,
      description = "Say where in the code a failure came from.")
  private boolean stackTrace;

  static final class VersionLine implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {
        "fathom %s (Java %s, %s %s)"
            .formatted(
                Version.current(),
                Runtime.version(),
                System.getProperty("os.name"),
                System.getProperty("os.arch"))
      };
    }
  }
}
