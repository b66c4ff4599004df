package dev.fathom.data;

import dev.fathom.FathomException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectReader;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// One object of a file that is a JSON array of objects or has one object a line.
///
/// @param where in the file, for messages: `line 3`, `element 3`
record JsonItem(Path file, String where, ObjectNode object) {
  static final long LARGEST_FILE = 1L << 30;
  static final int LONGEST_TEXT = 1 << 20;
  private static final int LONGEST_LINE = 4 << 20;

  private static final JsonMapper JSON =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(64)
                          .maxStringLength(LONGEST_TEXT)
                          .build())
                  .build())
          .build();

  /// Reads one value and leaves what follows it.
  private static final ObjectReader ELEMENT =
      JSON.reader().without(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  /// Hands on each object, in order, holding one at a time; empty lines are left out.
  ///
  /// @param what the file holds, for messages: `instructions`
  /// @throws FathomException naming the file and the element or line that is no object, or if there
  ///   is none
  static void forEach(Path file, String what, Consumer<JsonItem> each) {
    reading(
        file,
        what,
        reader -> {
          forEach(file, reader, what, each);
          return 0;
        });
  }

  /// The same of text that is open already.
  ///
  /// @param file where it comes from, for messages
  static void forEach(Path file, BufferedReader reader, String what, Consumer<JsonItem> each)
      throws IOException {
    int found = firstOf(reader) == '[' ? array(file, reader, each) : lines(file, reader, each);
    if (found == 0) {
      throw new FathomException("%s: no %s in it.".formatted(file, what));
    }
  }

  /// The first character of a file that says something, -1 where there is none; a byte order mark
  /// says nothing.
  ///
  /// @throws FathomException if the file cannot be read
  static int first(Path file, String what) {
    return reading(file, what, JsonItem::firstOf);
  }

  /// What is done with an open file.
  interface Body {
    int apply(BufferedReader reader) throws IOException;
  }

  /// Opens a text file of bounded size.
  ///
  /// @param what the file holds, for messages
  /// @throws FathomException if it is too large, cannot be read or is not UTF-8
  static int reading(Path file, String what, Body body) {
    try {
      if (Files.exists(file) && Files.size(file) > LARGEST_FILE) {
        throw new FathomException(
            "%s: expected at most %d MiB of %s, found %d MiB; split the file."
                .formatted(file, LARGEST_FILE >> 20, what, Files.size(file) >> 20));
      }
      try (var reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
        return body.apply(reader);
      }
    } catch (MalformedInputException e) {
      throw new FathomException(file + ": not UTF-8 text.", e);
    } catch (IOException e) {
      throw new FathomException(
          "%s cannot be read: %s"
              .formatted(file, Files.exists(file) ? e.getMessage() : "there is no such file."),
          e);
    }
  }

  /// The first character that says something, which stays unread.
  private static int firstOf(BufferedReader reader) throws IOException {
    reader.mark(1);
    if (reader.read() != '\uFEFF') {
      reader.reset();
    }
    reader.mark(1 << 12);
    int c = reader.read();
    for (int i = 1; i < 1 << 12 && Character.isWhitespace(c); i++) {
      c = reader.read();
    }
    reader.reset();
    return c;
  }

  /// Hands on each object of a file that may have line breaks inside of objects.
  ///
  /// @throws FathomException as [#forEach]
  static void forEachObject(Path file, String what, Consumer<JsonItem> each) {
    int found =
        reading(
            file,
            what,
            reader -> {
              firstOf(reader);
              return objects(file, reader, each);
            });
    if (found == 0) {
      throw new FathomException("%s: no %s in it.".formatted(file, what));
    }
  }

  private static int objects(Path file, BufferedReader reader, Consumer<JsonItem> each)
      throws IOException {
    int found = 0;
    try (JsonParser parser = JSON.createParser(reader)) {
      while (parser.nextToken() != null) {
        each.accept(of(file, "object " + (found + 1), ELEMENT.readTree(parser)));
        found++;
      }
    } catch (JacksonException e) {
      throw malformed(file, "object " + (found + 1), e);
    }
    return found;
  }

  private static int array(Path file, BufferedReader reader, Consumer<JsonItem> each)
      throws IOException {
    int found = 0;
    String where = "element 1";
    try (JsonParser parser = JSON.createParser(reader)) {
      parser.nextToken(); // the bracket
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        where = "element " + (found + 1);
        each.accept(of(file, where, ELEMENT.readTree(parser)));
        found++;
        where = "after element " + found;
      }
      if (parser.nextToken() != null) {
        throw malformed(file, "after the array", "expected nothing more");
      }
    } catch (JacksonException e) {
      throw malformed(file, where, e);
    }
    return found;
  }

  private static int lines(Path file, BufferedReader reader, Consumer<JsonItem> each)
      throws IOException {
    int found = 0;
    int number = 0;
    for (String line = next(file, reader); line != null; line = next(file, reader)) {
      String where = "line " + ++number;
      if (!line.isBlank()) {
        try {
          each.accept(of(file, where, JSON.readTree(line)));
        } catch (JacksonException e) {
          throw malformed(file, where, e);
        }
        found++;
      }
    }
    return found;
  }

  /// A line without its end, refused as soon as it is too long.
  private static @Nullable String next(Path file, BufferedReader reader) throws IOException {
    int c = reader.read();
    if (c < 0) {
      return null;
    }
    var line = new StringBuilder();
    for (; c >= 0 && c != '\n'; c = reader.read()) {
      if (line.length() == LONGEST_LINE) {
        throw new FathomException(
            ("%s: a line has more than %d characters; expected one JSON object a line, or one"
                    + " array of them.")
                .formatted(file, LONGEST_LINE));
      }
      line.append((char) c);
    }
    return line.toString();
  }

  private static JsonItem of(Path file, String where, JsonNode node) {
    if (!(node instanceof ObjectNode object)) {
      throw malformed(file, where, "expected a JSON object");
    }
    return new JsonItem(file, where, object);
  }

  /// A field that is a text or a number; empty where it is missing or null.
  ///
  /// @throws FathomException if it is something else
  Optional<String> text(String name) {
    JsonNode value = object.path(name);
    if (value.isMissingNode() || value.isNull()) {
      return Optional.empty();
    }
    if (!value.isString() && !value.isNumber()) {
      throw malformed("its %s should be a text".formatted(name));
    }
    return Optional.of(value.asString());
  }

  /// What is wrong with this object.
  FathomException malformed(String reason) {
    return malformed(file, where, reason);
  }

  private static FathomException malformed(Path file, String where, String reason) {
    return new FathomException("%s, %s: %s.".formatted(file, where, reason));
  }

  private static FathomException malformed(Path file, String where, JacksonException e) {
    return new FathomException(
        "%s, %s: not JSON: %s".formatted(file, where, e.getOriginalMessage()), e);
  }
}
