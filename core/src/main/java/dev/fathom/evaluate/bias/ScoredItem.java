package dev.fathom.evaluate.bias;

import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// What a model makes of the three sentences of an item.
///
/// @param key names the item, the same for every model
/// @param domain what kind of bias it is about
/// @param target the term it is about
/// @param stereotype logarithm of its score to base 2, as [SentenceScorer] has it
/// @param antiStereotype that of the anti-stereotype
/// @param unrelated that of the meaningless sentence
public record ScoredItem(
    String key,
    String domain,
    String target,
    double stereotype,
    double antiStereotype,
    double unrelated) {

  public ScoredItem {
    if (Double.isNaN(stereotype + antiStereotype + unrelated)) {
      throw new IllegalArgumentException("item %s has a score that is no number".formatted(key));
    }
  }

  static ScoredItem of(
      StereoSetItem item, double stereotype, double antiStereotype, double unrelated) {
    return new ScoredItem(
        item.key(), item.domain(), item.target(), stereotype, antiStereotype, unrelated);
  }

  /// Whether the stereotype is found more probable than the anti-stereotype; equal counts as not.
  public boolean prefersStereotype() {
    return stereotype > antiStereotype;
  }

  /// How many of the two sentences with a meaning are found more probable than the one without: 0
  /// to 2; equal counts as not.
  public int related() {
    return (stereotype > unrelated ? 1 : 0) + (antiStereotype > unrelated ? 1 : 0);
  }

  /// How much more probable the stereotype is found, bits a token.
  public double gap() {
    return stereotype - antiStereotype;
  }

  /// Writes all but the key.
  public void write(ObjectNode line) {
    line.put("domain", domain)
        .put("target", target)
        .put("stereotype", stereotype)
        .put("anti_stereotype", antiStereotype)
        .put("unrelated", unrelated);
  }

  /// Reads what [#write] wrote, and the key.
  public static ScoredItem read(JsonNode line) {
    return new ScoredItem(
        line.path("key").asString(""),
        line.path("domain").asString(""),
        line.path("target").asString(""),
        line.path("stereotype").asDouble(Double.NaN),
        line.path("anti_stereotype").asDouble(Double.NaN),
        line.path("unrelated").asDouble(Double.NaN));
  }
}
