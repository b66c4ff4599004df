package dev.fathom.text.chat;

import static java.util.Objects.requireNonNull;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.json.JsonMapper;

/// The files under `fixtures/chat`.
final class Fixtures {
  static final List<String> TEMPLATES =
      List.of(
          "chatml.jinja",
          "gemma.jinja",
          "granite.jinja",
          "llama2.jinja",
          "llama3.jinja",
          "mistral.jinja",
          "phi.jinja",
          "plain.jinja",
          "qwen25.jinja",
          "qwen3.jinja");

  private Fixtures() {}

  static Map<String, Object> json(String name) {
    return requireNonNull(
        JsonMapper.shared().readValue(text(name), new TypeReference<Map<String, Object>>() {}));
  }

  static String template(String name) {
    return text("templates/" + name);
  }

  static List<Map<String, Object>> cases(Map<String, Object> fixture) {
    return field(fixture, "cases");
  }

  /// A field that the fixture must have, of the type that the caller expects.
  @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
  static <T> T field(Map<String, Object> map, String name) {
    return (T) requireNonNull(map.get(name), name);
  }

  private static String text(String name) {
    try (InputStream in = Fixtures.class.getResourceAsStream("/fixtures/chat/" + name)) {
      if (in == null) {
        throw new AssertionError("no fixture " + name);
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
