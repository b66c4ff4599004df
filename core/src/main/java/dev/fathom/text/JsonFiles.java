package dev.fathom.text;

import dev.fathom.FathomException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// Files of bounded size, as bytes, text and JSON objects.
final class JsonFiles {
  static final JsonMapper MAPPER = JsonMapper.builder().build();

  private JsonFiles() {}

  /// All bytes of `file`, or a [FathomException] if there are more than `limit`.
  static byte[] bytes(Path file, int limit) {
    if (!Files.isRegularFile(file)) {
      throw new FathomException(file + ": expected a regular file");
    }
    try (InputStream in = Files.newInputStream(file)) {
      byte[] bytes = in.readNBytes(limit);
      if (in.read() >= 0) {
        throw new FathomException(
            "%s: expected at most %d MiB, found %d MiB"
                .formatted(file, limit >> 20, (Files.size(file) >> 20) + 1));
      }
      return bytes;
    } catch (IOException e) {
      throw new FathomException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  static String text(Path file, int limit) {
    try {
      ByteBuffer bytes = ByteBuffer.wrap(bytes(file, limit));
      return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
    } catch (CharacterCodingException e) {
      throw new FathomException(file + ": expected UTF-8 text, found other bytes", e);
    }
  }

  /// Parses a JSON object; `where` names it in messages.
  static ObjectNode object(String json, String where) {
    try {
      JsonNode root = MAPPER.readTree(json);
      if (root instanceof ObjectNode object) {
        return object;
      }
      throw new FathomException(
          "%s: expected a JSON object, found %s".formatted(where, root.getNodeType()));
    } catch (JacksonException e) {
      throw new FathomException(
          "%s: expected JSON, found an error: %s".formatted(where, e.getOriginalMessage()), e);
    }
  }
}
