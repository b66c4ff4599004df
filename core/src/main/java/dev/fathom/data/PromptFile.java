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
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// A file of prompts: JSON lines, each an object with `prompt`, and what an analysis may want
/// beside it: `id`, `target`, `foil`, `corrupt`, `subject`. Other fields are left alone, empty
/// lines too.
public final class PromptFile {
  private static final int LONGEST_LINE = 16 << 20;

  private static final JsonMapper JSON =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(64)
                          .maxStringLength(LONGEST_LINE)
                          .build())
                  .build())
          .build();

  private PromptFile() {}

  /// One line.
  ///
  /// @param number of the line, from 1
  /// @param id a text or number in the file
  /// @param prompt not empty
  /// @param target what the model is asked about
  /// @param foil what it could say instead
  /// @param corrupt the prompt with its subject changed
  /// @param subject the part of the prompt that it is about
  public record Line(
      int number,
      Optional<String> id,
      String prompt,
      Optional<String> target,
      Optional<String> foil,
      Optional<String> corrupt,
      Optional<String> subject) {}

  /// Hands on each line, in order, holding one at a time.
  ///
  /// @throws FathomException if the file cannot be read, has no prompt, or a line is not such an
  ///   object
  public static void forEach(Path file, Consumer<Line> each) {
    try (var reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
      int number = 0;
      int found = 0;
      for (String text = next(reader, file); text != null; text = next(reader, file)) {
        number++;
        if (!text.isBlank()) {
          each.accept(line(file, number, text));
          found++;
        }
      }
      if (found == 0) {
        throw new FathomException(file + ": no prompts in it.");
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

  /// A line without its end, refused as soon as it is too long.
  private static @Nullable String next(BufferedReader reader, Path file) throws IOException {
    var line = new StringBuilder();
    int c = reader.read();
    if (c < 0) {
      return null;
    }
    for (; c >= 0 && c != '\n'; c = reader.read()) {
      if (line.length() == LONGEST_LINE) {
        throw new FathomException(
            "%s: a line has more than %d characters; expected one JSON object a line."
                .formatted(file, LONGEST_LINE));
      }
      line.append((char) c);
    }
    return line.toString();
  }

  private static Line line(Path file, int number, String text) {
    try {
      if (!(JSON.readTree(text) instanceof ObjectNode object)) {
        throw malformed(file, number, "expected a JSON object");
      }
      Optional<String> prompt = field(file, number, object, "prompt");
      if (prompt.isEmpty() || prompt.get().isBlank()) {
        throw malformed(
            file, number, prompt.isEmpty() ? "it has no \"prompt\"" : "its prompt is empty");
      }
      JsonNode id = object.path("id");
      return new Line(
          number,
          id.isString() || id.isNumber() ? Optional.of(id.asString()) : Optional.empty(),
          prompt.get(),
          field(file, number, object, "target"),
          field(file, number, object, "foil"),
          field(file, number, object, "corrupt"),
          field(file, number, object, "subject"));
    } catch (JacksonException e) {
      throw new FathomException(
          "%s, line %d: not JSON: %s".formatted(file, number, e.getOriginalMessage()), e);
    }
  }

  private static Optional<String> field(Path file, int number, ObjectNode object, String name) {
    JsonNode value = object.path(name);
    if (value.isMissingNode() || value.isNull()) {
      return Optional.empty();
    }
    if (!value.isString()) {
      throw malformed(file, number, "its %s should be a text".formatted(name));
    }
    return Optional.of(value.stringValue());
  }

  private static FathomException malformed(Path file, int number, String reason) {
    return new FathomException("%s, line %d: %s.".formatted(file, number, reason));
  }
}
