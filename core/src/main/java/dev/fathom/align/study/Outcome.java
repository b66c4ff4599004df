package dev.fathom.align.study;

import dev.fathom.FathomException;
import dev.fathom.evaluate.bias.ScoredItem;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// What came of one method in one domain with one seed.
///
/// @param entrant its name
/// @param fold which part of the terms it was tested on, from 1
/// @param settings with which it did best on the items it was fitted on
/// @param items scores of the items it was tested on
/// @param perplexity on neutral text that was not fitted on
/// @param divergence mean `KL(base ‖ changed)` of the next token there, in the first 128 tokens of
///   a text, over about 1,024 tokens, nats
/// @param changed numbers of the weights that may differ; 0 where something is done at run time
/// @param seconds of all fitting and choosing
public record Outcome(
    String entrant,
    String domain,
    long seed,
    int fold,
    SequencedMap<String, String> settings,
    List<ScoredItem> items,
    double perplexity,
    double divergence,
    long changed,
    double seconds) {
  public Outcome {
    settings = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(settings));
    items = List.copyOf(items);
  }

  /// The same of an entrant that changes nothing.
  Outcome of(String entrant, SequencedMap<String, String> settings, double seconds) {
    return new Outcome(entrant, domain, seed, fold, settings, items, perplexity, 0, 0, seconds);
  }

  void write(ObjectNode json) {
    json.put("entrant", entrant)
        .put("domain", domain)
        .put("seed", seed)
        .put("fold", fold)
        .put("perplexity", Double.toString(perplexity)) // may be no finite number
        .put("divergence", Double.toString(divergence))
        .put("changed", changed)
        .put("seconds", seconds);
    ObjectNode own = json.putObject("settings");
    settings.forEach(own::put);
    var scored = json.putArray("items");
    for (ScoredItem item : items) {
      item.write(scored.addObject().put("key", item.key()));
    }
  }

  /// Reads what [#write] wrote.
  ///
  /// @param file it is from, for messages
  static Outcome read(ObjectNode json, Path file) {
    try {
      var settings = new LinkedHashMap<String, String>();
      json.path("settings").forEachEntry((name, value) -> settings.put(name, value.asString("")));
      var items = new ArrayList<ScoredItem>();
      for (JsonNode line : json.path("items")) {
        items.add(ScoredItem.read(line));
      }
      return new Outcome(
          json.path("entrant").asString(""),
          json.path("domain").asString(""),
          json.path("seed").asLong(0),
          json.path("fold").asInt(0),
          settings,
          items,
          Double.parseDouble(json.path("perplexity").asString("")),
          Double.parseDouble(json.path("divergence").asString("")),
          json.path("changed").asLong(0),
          json.path("seconds").asDouble(Double.NaN));
    } catch (IllegalArgumentException e) {
      throw new FathomException(file + ": not an outcome of a study: " + e.getMessage(), e);
    }
  }
}
