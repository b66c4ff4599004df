package dev.fathom.cli;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// What every command that prints a result can do with it: show it, write it as JSON, or keep
/// quiet.
final class JsonOptions {
  private static final String STANDARD_OUTPUT = "-";

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description =
          "Write the result as JSON; - writes it to standard output, and nothing else there.")
  private @Nullable String json;

  @Option(
      names = {"-q", "--quiet"},
      description = "No progress and no text; only the files asked for, and errors.")
  private boolean quiet;

  /// Whether the result is wanted as text on standard output.
  boolean showsText() {
    return !quiet && !STANDARD_OUTPUT.equals(json);
  }

  /// Whether `--json` was given, so that the JSON is worth making.
  boolean wantsJson() {
    return json != null;
  }

  /// Writes `text`, a whole JSON document, where `--json` says; does nothing without it.
  void writeJson(Console console, String text) {
    if (json == null) return;
    if (json.equals(STANDARD_OUTPUT)) {
      console.out().println(text.stripTrailing());
    } else {
      AtomicFile.writeText(Path.of(json), text.stripTrailing() + "\n");
    }
  }

  /// Refuses a file that certainly cannot be written, before anything is computed for it.
  void requirePlace() {
    if (json != null && !json.equals(STANDARD_OUTPUT)) {
      AtomicFile.requirePlace(Path.of(json));
    }
  }

  /// A progress bar for `total` steps, which stays invisible with `--quiet`.
  Progress progress(Console console, String what, long total) {
    return quiet ? Progress.invisible() : Progress.start(console, what, total);
  }
}
