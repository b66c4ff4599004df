package dev.fathom.evaluate.bias;

import dev.fathom.FathomException;
import dev.fathom.evaluate.bias.StereoSet.Labels;
import dev.fathom.evaluate.bias.StereoSetItem.Sentence;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Reads items of StereoSet from JSON.
final class StereoSetFile {
  private static final String STEREOTYPE = "stereotype";
  private static final String ANTI = "anti-stereotype";
  private static final String UNRELATED = "unrelated";
  private static final List<String> LABELS = List.of(STEREOTYPE, ANTI, UNRELATED);

  private final Path file;
  private final Map<String, StereoSetItem> items = new LinkedHashMap<>();
  private final Set<String> sentences = new HashSet<>();
  private final Map<String, ExchangedLabels> labels = new TreeMap<>();
  private int repeated;

  StereoSetFile(Path file) {
    this.file = file;
  }

  StereoSet read(Labels wanted) {
    ArrayNode array = array(JsonFile.read(file));
    for (int i = 0; i < array.size(); i++) {
      String where = "item " + (i + 1);
      if (!(array.get(i) instanceof ObjectNode object)) {
        throw malformed(where, "expected a JSON object");
      }
      add(where, object);
    }
    if (items.isEmpty()) {
      throw new FathomException(file + ": no items in it.");
    }
    return finished(wanted);
  }

  private ArrayNode array(JsonNode root) {
    JsonNode items = root.isArray() ? root : root.path("data").path("intrasentence");
    if (items instanceof ArrayNode array) {
      return array;
    }
    throw new FathomException(
        ("%s: expected StereoSet's items, an array under data.intrasentence or the whole file, but"
                + " there is no such array.")
            .formatted(file));
  }

  private void add(String place, ObjectNode object) {
    String id = text(place, object, "id");
    String where = "%s (%s)".formatted(place, id);
    Map<String, Sentence> byLabel =
        object.path("data").isObject()
            ? underLabels(where, (ObjectNode) object.path("data"))
            : withLabels(where, object);
    var item =
        new StereoSetItem(
            id,
            text(where, object, "bias_type"),
            text(where, object, "target"),
            text(where, object, "context"),
            label(where, byLabel, STEREOTYPE),
            label(where, byLabel, ANTI),
            label(where, byLabel, UNRELATED));
    if (!item.context().contains(StereoSetItem.BLANK)) {
      throw malformed(where, "its \"context\" has no " + StereoSetItem.BLANK);
    }
    StereoSetItem before = items.putIfAbsent(id, item);
    if (before != null) {
      if (!before.equals(item)) {
        throw malformed(
            where,
            "another item has the same \"id\" and other words; files that were made from each other"
                + " cannot be merged");
      }
      repeated++;
      return;
    }
    for (Sentence sentence : item.sentences()) {
      if (!sentences.add(sentence.id())) {
        throw malformed(where, "another sentence has the same \"id\", " + sentence.id());
      }
    }
    labels
        .computeIfAbsent(item.domain(), _ -> new ExchangedLabels())
        .add(item, votes(object, item));
  }

  /// `{"stereotype": {"id": …, "sentence": …}, …}`.
  private Map<String, Sentence> underLabels(String where, ObjectNode data) {
    var byLabel = new HashMap<String, Sentence>();
    for (String label : LABELS) {
      if (data.path(label) instanceof ObjectNode sentence) {
        byLabel.put(label, sentence("%s, %s".formatted(where, label), sentence));
      }
    }
    return byLabel;
  }

  /// `[{"id": …, "sentence": …, "gold_label": …}, …]`.
  private Map<String, Sentence> withLabels(String where, ObjectNode object) {
    if (!(object.path("sentences") instanceof ArrayNode array)) {
      throw malformed(where, "it has neither \"sentences\" nor \"data\"");
    }
    var byLabel = new HashMap<String, Sentence>();
    for (int i = 0; i < array.size(); i++) {
      String place = "%s, sentence %d".formatted(where, i + 1);
      if (!(array.get(i) instanceof ObjectNode sentence)) {
        throw malformed(place, "expected a JSON object");
      }
      String label = text(place, sentence, "gold_label");
      if (!LABELS.contains(label)) {
        throw malformed(
            place,
            "its \"gold_label\" should be %s, found \"%s\""
                .formatted(String.join(", ", LABELS), label));
      }
      if (byLabel.put(label, sentence(place, sentence)) != null) {
        throw malformed(place, "another sentence of the item has the same \"gold_label\"");
      }
    }
    return byLabel;
  }

  private Sentence sentence(String where, ObjectNode object) {
    return new Sentence(text(where, object, "id"), text(where, object, "sentence"));
  }

  private Sentence label(String where, Map<String, Sentence> byLabel, String label) {
    Sentence sentence = byLabel.get(label);
    if (sentence == null) {
      throw malformed(where, "it has no sentence labelled \"%s\"".formatted(label));
    }
    return sentence;
  }

  /// Whether those who labelled an item's sentences agree with its labels: by their votes, or by
  /// the label made of these where it stands beside labels of another origin.
  private static Optional<Boolean> votes(ObjectNode object, StereoSetItem item) {
    int balance = 0;
    for (JsonNode sentence : object.path("sentences")) {
      int side =
          sentence.path("id").asString("").equals(item.stereotype().id())
              ? 1
              : sentence.path("id").asString("").equals(item.antiStereotype().id()) ? -1 : 0;
      var said = new ArrayList<String>();
      sentence.path("labels").forEach(vote -> said.add(vote.path("label").asString("")));
      if (said.isEmpty() && object.path("data").isObject()) {
        said.add(sentence.path("gold_label").asString(""));
      }
      for (String label : said) {
        balance += side * (label.equals(STEREOTYPE) ? 1 : label.equals(ANTI) ? -1 : 0);
      }
    }
    return balance == 0 ? Optional.empty() : Optional.of(balance > 0);
  }

  private StereoSet finished(Labels wanted) {
    var notes = new ArrayList<String>();
    if (repeated > 0) {
      notes.add("%d items are in the file more than once, and count once.".formatted(repeated));
    }
    var exchanged = new HashSet<String>();
    labels.forEach((domain, check) -> {
      if (check.found()) {
        exchanged.add(domain);
        notes.add(
            ("%s: the labels stereotype and anti-stereotype are exchanged in the file (%d of %d"
                    + " items that tell say so); %s.")
                .formatted(
                    domain,
                    check.against(),
                    check.spoke(),
                    wanted == Labels.PUT_RIGHT
                        ? "they were put right"
                        : "they were left so, as asked"));
      }
    });
    boolean repair = wanted == Labels.PUT_RIGHT;
    return new StereoSet(
        items.values().stream()
            .map(item -> repair && exchanged.contains(item.domain()) ? item.exchanged() : item)
            .toList(),
        notes);
  }

  private String text(String where, ObjectNode object, String name) {
    JsonNode value = object.path(name);
    if (!value.isString()) {
      throw malformed(
          where,
          value.isMissingNode()
              ? "it has no \"%s\"".formatted(name)
              : "its \"%s\" should be a text".formatted(name));
    }
    String text = value.stringValue();
    if (text.isBlank()) {
      throw malformed(where, "its \"%s\" is empty".formatted(name));
    }
    return text;
  }

  private FathomException malformed(String where, String reason) {
    return new FathomException("%s, %s: %s.".formatted(file, where, reason));
  }
}
