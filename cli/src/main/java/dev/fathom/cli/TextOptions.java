package dev.fathom.cli;

import dev.fathom.data.TextWindows;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// A long text, and the rows it is read in.
final class TextOptions {
  /// Tokens of a row where neither the user nor the model's context says less.
  private static final int USUAL_WINDOW = 512;

  /// Share of the tokens that are masked for a model that fills in words.
  private static final double MASKED = 0.15;

  @Option(
      names = "--text",
      paramLabel = "FILE",
      description = "A long text, read in rows of --window tokens.")
  private @Nullable Path file;

  @Option(
      names = "--window",
      paramLabel = "N",
      description = "Tokens of a row of the text. Default: 512, or the model's context if less.")
  private @Nullable Integer window;

  Optional<Path> file() {
    return Optional.ofNullable(file);
  }

  /// Whether a window was given.
  boolean givesWindow() {
    return window != null;
  }

  /// The rows of the text. Those of a masked model have some words masked.
  ///
  /// @throws IllegalArgumentException if there is no text, or rows do not fit the model
  TextWindows read(LoadedModel model, Optional<Boolean> bos, long seed) {
    if (file == null) {
      throw new IllegalArgumentException("No text given: --text names a file.");
    }
    var card = model.transformer().card();
    int length = window == null ? Math.min(USUAL_WINDOW, card.context()) : window;
    if (length > card.context()) {
      throw new IllegalArgumentException(
          "--window %d is more than this model reads, %d tokens."
              .formatted(length, card.context()));
    }
    var rows = TextWindows.of(model.tokenizer(), InputFiles.text(file), length, bos);
    var mask = model.tokenizer().specials().mask();
    return card.causal() || mask.isEmpty() ? rows : rows.masked(mask.getAsInt(), MASKED, seed);
  }
}
