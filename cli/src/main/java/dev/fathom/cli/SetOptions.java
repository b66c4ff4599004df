package dev.fathom.cli;

import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.view.Result;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Where a run over a file of prompts keeps what it finds, so that a killed one can go on.
final class SetOptions {
  @Option(
      names = "--out-dir",
      paramLabel = "DIR",
      description =
          "With --prompts: where items.jsonl (a line a prompt), result.json and report.html go.")
  private @Nullable Path directory;

  /// Refuses a file of prompts without a directory, and the reverse.
  void requireWith(PromptOptions prompts) {
    if (prompts.givesFile() != (directory != null)) {
      throw new IllegalArgumentException(
          prompts.givesFile()
              ? "--prompts needs --out-dir DIR, where what is found for each prompt is kept."
              : "--out-dir is for --prompts.");
    }
  }

  /// @throws IllegalArgumentException if there is none
  Path directory() {
    if (directory == null) {
      throw new IllegalArgumentException(
          "--prompts needs --out-dir DIR, where what is found for each prompt is kept.");
    }
    return directory;
  }

  /// Shows a result over many prompts, and puts it beside its items.
  void show(
      Console console,
      OutputOptions output,
      Path prompts,
      String heading,
      String explanation,
      Result result) {
    String title = String.valueOf(prompts.getFileName());
    AtomicFile.writeText(directory().resolve("result.json"), Json.render(result));
    AtomicFile.writeText(
        directory().resolve("report.html"),
        Html.render(ResultOutput.page(title, heading, explanation, result)));
    ResultOutput.show(console, output, title, heading, explanation, result);
  }
}
