package dev.fathom.data;

import dev.fathom.FathomException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import tools.jackson.databind.JsonNode;

/// A file of texts with labels: comma-separated values with a header ([CsvFile]), JSON lines, or a
/// JSON array of objects. The fields are `text` and `label`, and where they are of use `group` and
/// `word` ([LabelledText]); others are left alone. In JSON a label may be a number or a truth
/// value. Which of the formats it is, its first character says.
public final class LabelledTextFile {
  private static final String WHAT = "labelled texts";
  private static final int MOST_TEXTS = 1_000_000;

  private LabelledTextFile() {}

  /// All texts, in the order of the file.
  ///
  /// @throws FathomException naming the file and the line or element that is not understood, or if
  ///   there is none
  public static List<LabelledText> read(Path file) {
    var texts = new ArrayList<LabelledText>();
    int first = JsonItem.first(file, WHAT);
    if (first == '{' || first == '[') {
      JsonItem.forEach(file, WHAT, item -> add(texts, item));
    } else {
      CsvFile.forEach(file, List.of("text", "label"), row -> add(texts, row));
    }
    return List.copyOf(texts);
  }

  private static void add(List<LabelledText> texts, JsonItem item) {
    JsonNode label = item.object().path("label");
    Optional<String> named = label.isBoolean() ? Optional.of(label.asString()) : item.text("label");
    texts.add(
        of(
            item.text("text"),
            named,
            item.text("group"),
            item.text("word"),
            texts.size(),
            item::malformed));
  }

  private static void add(List<LabelledText> texts, CsvFile.Row row) {
    texts.add(
        of(
            row.field("text"),
            row.field("label"),
            row.field("group"),
            row.field("word"),
            texts.size(),
            row::malformed));
  }

  private static LabelledText of(
      Optional<String> text,
      Optional<String> label,
      Optional<String> group,
      Optional<String> word,
      int before,
      Function<String, FathomException> malformed) {
    if (before == MOST_TEXTS) {
      throw malformed.apply("more than %d texts; split the file".formatted(MOST_TEXTS));
    }
    String own =
        text.filter(t -> !t.isBlank())
            .orElseThrow(
                () -> malformed.apply(text.isEmpty() ? "it has no \"text\"" : "its text is empty"));
    String name =
        label
            .map(String::strip)
            .filter(l -> !l.isEmpty())
            .orElseThrow(() -> malformed.apply("it has no \"label\""));
    if (word.isPresent() && !own.contains(word.get())) {
      throw malformed.apply("its word '%s' does not occur in its text".formatted(word.get()));
    }
    return new LabelledText(own, name, group.map(String::strip).filter(g -> !g.isEmpty()), word);
  }
}
