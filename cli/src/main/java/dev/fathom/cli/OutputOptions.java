package dev.fathom.cli;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// What a command that computes arrays and pictures can do with them, beside what [JsonOptions]
/// offers.
final class OutputOptions {
  @Mixin private final JsonOptions json = new JsonOptions();

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description = "Write a report for the browser: one file that works offline.")
  private @Nullable Path html;

  @Option(
      names = "--out",
      paramLabel = "FILE.safetensors",
      description = "Write the arrays of the result.")
  private @Nullable Path out;

  JsonOptions json() {
    return json;
  }

  /// The report file asked for; write it through [AtomicFile].
  Optional<Path> html() {
    return Optional.ofNullable(html);
  }

  /// The array file asked for; write it through [AtomicFile].
  Optional<Path> out() {
    return Optional.ofNullable(out);
  }

  /// Refuses files that certainly cannot be written, before anything is computed for them.
  ///
  /// @throws dev.fathom.FathomException if the folder of one does not exist, or it is a folder
  void requirePlaces() {
    json.requirePlace();
    html().ifPresent(AtomicFile::requirePlace);
    out().ifPresent(AtomicFile::requirePlace);
  }
}
