package dev.fathom.text;

import java.io.IOException;
import java.io.InputStream;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Expected encodings made by the reference implementations (see ORIGIN.md beside them).
final class Fixtures {
  private static final String ROOT = "/fixtures/tokenizers/";

  private Fixtures() {}

  /// What a reference says about one text; parts it says nothing about are null.
  @SuppressWarnings("ArrayRecordComponent")
  record Case(
      String text,
      int[] ids,
      List<String> pieces,
      int @Nullable [] starts,
      int @Nullable [] ends,
      String decoded,
      @Nullable String decodedWithoutSpecial) {}

  static Path directory(String name) {
    try {
      URL url = Objects.requireNonNull(Fixtures.class.getResource(ROOT + name), name);
      return Path.of(url.toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  static List<Case> cases(String file) {
    List<Case> cases = new ArrayList<>();
    for (JsonNode node : json(file)) {
      String text = node.path("text").stringValue();
      List<JsonNode> spans = list(node.path("offsets_code_points"));
      boolean hasSpans = node.has("offsets_code_points");
      JsonNode without = node.path("decoded_without_special");
      cases.add(
          new Case(
              text,
              list(node.path("ids")).stream().mapToInt(JsonNode::intValue).toArray(),
              list(node.path("tokens")).stream().map(JsonNode::stringValue).toList(),
              hasSpans ? chars(text, spans, 0) : null,
              hasSpans ? chars(text, spans, 1) : null,
              node.path("decoded").stringValue(),
              without.isString() ? without.stringValue() : null));
    }
    return cases;
  }

  private static int[] chars(String text, List<JsonNode> spans, int side) {
    return spans.stream()
        .mapToInt(span -> text.offsetByCodePoints(0, span.path(side).intValue()))
        .toArray();
  }

  private static List<JsonNode> list(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).toList();
  }

  static JsonNode json(String file) {
    try (InputStream in =
        Objects.requireNonNull(Fixtures.class.getResourceAsStream(ROOT + file), file)) {
      return JsonMapper.shared().readTree(in);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /// The directory with real models, or an aborted test that says why.
  static Path models() {
    String value = System.getenv("FATHOM_TEST_MODELS");
    Assumptions.assumeTrue(
        value != null && !value.isEmpty() && !value.startsWith("${"),
        "set FATHOM_TEST_MODELS to the directory with SmolLM2's GGUF file and tokenizer");
    return Path.of(Objects.requireNonNull(value));
  }
}
