package dev.fathom.evaluate.bias;

import dev.fathom.FathomException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// Scores of sentences by their ids, in the layout that StereoSet's script writes and reads:
/// `{"intrasentence": [{"id": …, "score": …}, …]}`. What is written has `log2` beside `score`,
/// which is what to compare with; `score` is `2^log2`.
public final class Predictions {
  private Predictions() {}

  /// The scores as a JSON document.
  ///
  /// @param scored of each item, in the order of the items
  public static String render(List<StereoSetItem> items, List<ScoredItem> scored) {
    ObjectNode root = JsonFile.JSON.createObjectNode();
    var array = root.putArray("intrasentence");
    for (int i = 0; i < items.size(); i++) {
      StereoSetItem item = items.get(i);
      ScoredItem scores = scored.get(i);
      var bySentence = new LinkedHashMap<String, Double>();
      bySentence.put(item.stereotype().id(), scores.stereotype());
      bySentence.put(item.antiStereotype().id(), scores.antiStereotype());
      bySentence.put(item.unrelated().id(), scores.unrelated());
      bySentence.forEach((id, log) ->
          array.addObject().put("id", id).put("score", Math.pow(2, log)).put("log2", log));
    }
    return JsonFile.JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n";
  }

  /// The scores of pairs as a JSON document: `{"pairs": [{"number": …, "bias_type": …, "more": …,
  /// "less": …}, …]}`, logarithms to base 2.
  ///
  /// @param scored of each pair, in the order of the pairs
  public static String renderPairs(List<CrowsPair> pairs, List<ScoredPair> scored) {
    ObjectNode root = JsonFile.JSON.createObjectNode();
    var array = root.putArray("pairs");
    for (int i = 0; i < pairs.size(); i++) {
      array
          .addObject()
          .put("number", pairs.get(i).number())
          .put("bias_type", pairs.get(i).biasType())
          .put("more", scored.get(i).more())
          .put("less", scored.get(i).less());
    }
    return JsonFile.JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n";
  }

  /// The scores of items by a file of predictions, which may hold others too.
  ///
  /// @throws FathomException naming the file and the element that is not understood, or the first
  ///   sentence that it has no score for
  public static List<ScoredItem> read(Path file, List<StereoSetItem> items) {
    Map<String, Double> logs = logs(file);
    var scored = new ArrayList<ScoredItem>();
    for (StereoSetItem item : items) {
      for (StereoSetItem.Sentence sentence : item.sentences()) {
        if (!logs.containsKey(sentence.id())) {
          throw new FathomException(
              "%s: it has no score of the sentence %s (item %s)"
                  .formatted(file, sentence.id(), item.id()));
        }
      }
      scored.add(
          ScoredItem.of(
              item,
              logs.getOrDefault(item.stereotype().id(), 0.0),
              logs.getOrDefault(item.antiStereotype().id(), 0.0),
              logs.getOrDefault(item.unrelated().id(), 0.0)));
    }
    return scored;
  }

  private static Map<String, Double> logs(Path file) {
    JsonNode list = JsonFile.read(file).path("intrasentence");
    if (!list.isArray()) {
      throw new FathomException(
          file + ": expected predictions, an array under \"intrasentence\", but there is none.");
    }
    var logs = new HashMap<String, Double>();
    for (int i = 0; i < list.size(); i++) {
      JsonNode id = list.get(i).path("id");
      JsonNode log = list.get(i).path("log2");
      JsonNode score = list.get(i).path("score");
      if (!id.isString() || !(log.isNumber() || score.isNumber())) {
        throw new FathomException(
            "%s, element %d: expected an \"id\" and a \"score\".".formatted(file, i + 1));
      }
      double value = log.isNumber() ? log.doubleValue() : Bits.of(Math.log(score.doubleValue()));
      if (Double.isNaN(value)) {
        throw new FathomException(
            "%s, element %d: its \"score\" should not be negative.".formatted(file, i + 1));
      }
      logs.put(id.stringValue(), value);
    }
    return logs;
  }
}
