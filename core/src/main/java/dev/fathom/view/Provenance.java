package dev.fathom.view;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalLong;
import java.util.SequencedMap;

/// Where a result comes from: enough to repeat it and to notice that something else was measured.
///
/// @param model the model as the user named it
/// @param weights SHA-256 of the weights in hexadecimal, or empty where there are none
/// @param version the Fathom that computed it
/// @param tokenIds ids of the input, in order; empty if there is not one input
/// @param tokens the same tokens as text, one for each id
/// @param parameters the method's parameters by name, in reading order
/// @param seed the seed, if anything was random
/// @param dtype the type the arithmetic ran in: `f32`, `bf16`
/// @param seconds wall time of the method
/// @param peakBytes greatest memory of the process during the method, or 0 where unknown
public record Provenance(
    String model,
    String weights,
    String version,
    List<Integer> tokenIds,
    List<String> tokens,
    SequencedMap<String, String> parameters,
    OptionalLong seed,
    String dtype,
    double seconds,
    long peakBytes) {
  public Provenance {
    tokenIds = List.copyOf(tokenIds);
    tokens = List.copyOf(tokens);
    parameters = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(parameters));
    if (tokenIds.size() != tokens.size()) {
      throw new IllegalArgumentException(
          "%d token ids but %d tokens".formatted(tokenIds.size(), tokens.size()));
    }
  }
}
