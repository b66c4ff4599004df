package dev.fathom.cli;

import dev.fathom.explain.lens.Dola;
import dev.fathom.model.Transformer;
import java.util.Arrays;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Whether and how late layers are contrasted with early ones.
final class DolaOptions {
  @Option(
      names = "--dola",
      paramLabel = "LAYERS",
      description =
          "Contrast the last layer with an earlier one (DoLa): low or high chooses from half of the"
              + " layers at each token, a number is one layer, 2,4,6 are several. Go well with it:"
              + " --repetition-penalty 1.2.")
  private @Nullable String layers;

  @Option(
      names = "--dola-textbook",
      description = "Choose by the textbook's divergence instead of the published code's.")
  private boolean textbook;

  @Option(
      names = "--dola-raw",
      description = "Read early layers without the final norm, as the published code does.")
  private boolean raw;

  @Option(
      names = "--dola-layers",
      description = "Also show which layer each token was contrasted with.")
  private boolean shown;

  /// Refuses what no model could do.
  ///
  /// @throws IllegalArgumentException if options lack others, or the layers are no numbers
  void check() {
    if (layers == null && (textbook || raw || shown)) {
      throw new IllegalArgumentException(
          "--dola-textbook, --dola-raw and --dola-layers go with --dola low, high or a layer.");
    }
    if (layers != null && !layers.equals("low") && !layers.equals("high")) {
      named(layers);
    }
  }

  /// The contrast that the user asks for.
  ///
  /// @throws IllegalArgumentException if the layers are none of this model
  Optional<Dola> of(Transformer model) {
    if (layers == null) {
      return Optional.empty();
    }
    Dola.Config config =
        switch (layers) {
          case "low" -> Dola.Config.low(model);
          case "high" -> Dola.Config.high(model);
          default -> named(layers);
        };
    if (textbook) config = config.with(Dola.Divergence.TEXTBOOK);
    return Optional.of(Dola.of(model, raw ? config.withoutNorm() : config));
  }

  /// Whether the chosen layers are to be shown.
  boolean shown() {
    return shown;
  }

  private static Dola.Config named(String layers) {
    try {
      return Dola.Config.among(
          Arrays.stream(layers.split(",", -1)).map(l -> Integer.valueOf(l.strip())).toList());
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "--dola '%s': expected low, high, a layer, or several as 2,4,6."
              .formatted(Table.harmless(layers, 60)),
          e);
    }
  }
}
