package dev.fathom.evaluate;

import dev.fathom.Version;
import dev.fathom.data.Prompt;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Memory;
import dev.fathom.view.Provenance;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/// Where a result comes from, from what every method has at hand.
public final class Provenances {
  private Provenances() {}

  /// Of a method that reads one prompt.
  ///
  /// @param tokens the prompt's tokens as text
  /// @param parameters names and values in turn
  public static Provenance of(
      Transformer model, Prompt prompt, List<String> tokens, double seconds, String... parameters) {
    return of(
        model, IntStream.of(prompt.ids()).boxed().toList(), tokens, seconds, named(parameters));
  }

  /// Of a method that reads many prompts of its own.
  ///
  /// @param parameters names and values in turn
  public static Provenance of(LanguageModel model, double seconds, String... parameters) {
    return of(model, List.of(), List.of(), seconds, named(parameters));
  }

  private static SequencedMap<String, String> named(String... parameters) {
    var named = new LinkedHashMap<String, String>();
    for (int i = 0; i + 1 < parameters.length; i += 2) {
      named.put(parameters[i], parameters[i + 1]);
    }
    return named;
  }

  private static Provenance of(
      LanguageModel model,
      List<Integer> ids,
      List<String> tokens,
      double seconds,
      SequencedMap<String, String> named) {
    return new Provenance(
        model.card().name(),
        model.card().sha256().get(),
        Version.current(),
        ids,
        tokens,
        named,
        OptionalLong.empty(),
        model.card().dtype().name().toLowerCase(Locale.ROOT),
        seconds,
        Memory.peakBytes());
  }
}
