package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/// Reads and writes the JSON files of a model directory, within bounds.
public final class JsonFiles {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final int DEEPEST = 64;

  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(DEEPEST)
                  .maxNumberLength(400)
                  .maxNameLength(10_000)
                  .maxStringLength(1 << 22)
                  .build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .build();

  private JsonFiles() {}

  static ObjectNode object() {
    return NODES.objectNode();
  }

  /// A string, number or truth value as a node.
  static JsonNode tree(Object value) {
    return switch (value) {
      case String text -> NODES.stringNode(text);
      case Boolean flag -> NODES.booleanNode(flag);
      case Long number -> whole(number);
      case Double number -> NODES.numberNode(number);
      default -> throw new IllegalArgumentException("no JSON for " + value);
    };
  }

  /// As Jackson reads numbers: the smallest of int and long, so that equal numbers are equal nodes.
  private static JsonNode whole(long number) {
    return number == (int) number ? NODES.numberNode((int) number) : NODES.numberNode(number);
  }

  /// The JSON object in a file of at most `mostBytes`.
  public static ObjectNode read(Path path, long mostBytes) {
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

  /// The JSON object that these bytes are.
  ///
  /// @param label what they are, for messages
  public static ObjectNode parse(byte[] json, String label) {
    try (JsonParser parser = FACTORY.createParser(ObjectReadContext.empty(), json)) {
      parser.nextToken();
      JsonNode root = value(parser);
      if (parser.nextToken() != null) {
        throw new FathomException(label + ": something follows the JSON value");
      }
      if (root instanceof ObjectNode object) {
        return object;
      }
      throw new FathomException(label + ": expected a JSON object");
    } catch (JacksonException e) {
      throw new FathomException(label + ": not valid JSON: " + e.getOriginalMessage(), e);
    }
  }

  /// The value at the parser's current token. By hand, because a mapper takes longer to set up than
  /// a model's files take to read; the parser bounds the depth of the recursion.
  private static JsonNode value(JsonParser parser) {
    return switch (parser.currentToken()) {
      case START_OBJECT -> {
        ObjectNode object = NODES.objectNode();
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
          String name = parser.currentName();
          parser.nextToken();
          object.set(name, value(parser));
        }
        yield object;
      }
      case START_ARRAY -> {
        ArrayNode array = NODES.arrayNode();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          array.add(value(parser));
        }
        yield array;
      }
      case VALUE_STRING -> NODES.stringNode(parser.getString());
      case VALUE_TRUE -> NODES.booleanNode(true);
      case VALUE_FALSE -> NODES.booleanNode(false);
      case VALUE_NUMBER_INT ->
          parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER
              ? NODES.numberNode(parser.getBigIntegerValue())
              : whole(parser.getLongValue());
      case VALUE_NUMBER_FLOAT -> NODES.numberNode(parser.getDoubleValue());
      case VALUE_NULL -> NODES.nullNode();
      case null -> NODES.missingNode();
      default -> throw new IllegalStateException("unexpected token " + parser.currentToken());
    };
  }

  /// Writes a file that appears complete or not at all.
  public static void write(Path path, ObjectNode content) {
    byte[] json = (content.toPrettyString() + "\n").getBytes(StandardCharsets.UTF_8);
    WeightWriter.writeWhole(path, json);
  }
}
