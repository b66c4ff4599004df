package dev.fathom.explain;

import dev.fathom.Version;
import dev.fathom.data.Prompt;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Memory;
import dev.fathom.view.Provenance;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.stream.IntStream;

/// Where a result comes from, from what every method has at hand.
final class Provenances {
  private Provenances() {}

  /// @param parameters names and values in turn
  static Provenance of(
      Transformer model, Prompt prompt, List<String> tokens, double seconds, String... parameters) {
    var named = new LinkedHashMap<String, String>();
    for (int i = 0; i + 1 < parameters.length; i += 2) {
      named.put(parameters[i], parameters[i + 1]);
    }
    return new Provenance(
        model.card().name(),
        model.card().sha256().get(),
        Version.current(),
        IntStream.of(prompt.ids()).boxed().toList(),
        tokens,
        named,
        OptionalLong.empty(),
        model.card().dtype().name().toLowerCase(Locale.ROOT),
        seconds,
        Memory.peakBytes());
  }
}
