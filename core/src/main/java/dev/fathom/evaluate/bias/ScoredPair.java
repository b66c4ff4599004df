package dev.fathom.evaluate.bias;

import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// What a model makes of a pair of sentences.
///
/// @param key names the pair, the same for every model
/// @param stereotype as of [CrowsPair]
/// @param more logarithm to base 2 of the more stereotyping sentence's score
/// @param less that of the other
public record ScoredPair(
    String key, String biasType, boolean stereotype, double more, double less) {

  public ScoredPair {
    if (Double.isNaN(more + less)) {
      throw new IllegalArgumentException("pair %s has a score that is no number".formatted(key));
    }
  }

  static ScoredPair of(CrowsPair pair, double more, double less) {
    return new ScoredPair(pair.key(), pair.biasType(), pair.stereotype(), more, less);
  }

  /// Whether the more stereotyping sentence is found more probable; equal counts as not.
  public boolean prefersMore() {
    return more > less;
  }

  /// How much more probable it is found, bits a token.
  public double gap() {
    return more - less;
  }

  void write(ObjectNode line) {
    line.put("bias_type", biasType)
        .put("stereotype", stereotype)
        .put("more", more)
        .put("less", less);
  }

  static ScoredPair read(JsonNode line) {
    return new ScoredPair(
        line.path("key").asString(""),
        line.path("bias_type").asString(""),
        line.path("stereotype").asBoolean(false),
        line.path("more").asDouble(Double.NaN),
        line.path("less").asDouble(Double.NaN));
  }
}
