package dev.fathom.align.lope;

import dev.fathom.align.Fitting;
import dev.fathom.align.probe.Features;
import java.util.List;

/// Features of texts for a fitting.
final class Fittings {
  private Fittings() {}

  /// The features of texts, from the fitting's cache where it has one.
  static Features features(Fitting fitting, List<String> texts, Features.Config config) {
    List<Features.Text> read = texts.stream().map(Features.Text::of).toList();
    return fitting
        .cache()
        .map(folder ->
            Features.cached(fitting.model(), fitting.tokenizer(), read, config, folder, _ -> {}))
        .orElseGet(() -> Features.of(fitting.model(), fitting.tokenizer(), read, config, _ -> {}));
  }
}
