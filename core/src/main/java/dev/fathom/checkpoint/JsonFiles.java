package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// Reads and writes the JSON files of a model directory, within bounds.
final class JsonFiles {
  private static final JsonMapper MAPPER =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(64)
                          .maxNumberLength(400)
                          .maxNameLength(10_000)
                          .maxStringLength(1 << 22)
                          .build())
                  .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(SerializationFeature.INDENT_OUTPUT)
          .build();

  private JsonFiles() {}

  static ObjectNode object() {
    return MAPPER.createObjectNode();
  }

  static JsonNode tree(Object value) {
    return MAPPER.valueToTree(value);
  }

  /// The JSON object in a file of at most `mostBytes`.
  static ObjectNode read(Path path, long mostBytes) {
    try {
      if (!Files.isRegularFile(path) && Files.exists(path)) {
        throw new FathomException(path + ": expected a JSON file, found something else");
      }
      long size = Files.size(path);
      if (size > mostBytes) {
        throw new FathomException(
            "%s: has %d bytes, at most %d are expected".formatted(path, size, mostBytes));
      }
      return parse(Files.readAllBytes(path), String.valueOf(path.getFileName()));
    } catch (NoSuchFileException e) {
      throw new FathomException(path + ": no such file", e);
    } catch (IOException e) {
      throw new FathomException(path + ": cannot be read (" + e.getMessage() + ")", e);
    }
  }

  static ObjectNode parse(byte[] json, String label) {
    try {
      if (MAPPER.readTree(json) instanceof ObjectNode object) {
        return object;
      }
      throw new FathomException(label + ": expected a JSON object");
    } catch (JacksonException e) {
      throw new FathomException(label + ": not valid JSON: " + e.getOriginalMessage(), e);
    }
  }

  static void write(Path path, ObjectNode content) {
    byte[] json = (MAPPER.writeValueAsString(content) + "\n").getBytes(StandardCharsets.UTF_8);
    WeightWriter.writeWhole(path, json);
  }
}
