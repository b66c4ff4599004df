package dev.fathom.evaluate.bias;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// JSON files of bounded size.
final class JsonFile {
  private static final long LARGEST = 64 << 20;
  private static final int LONGEST_TEXT = 1 << 16;

  static final JsonMapper JSON =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(32)
                          .maxStringLength(LONGEST_TEXT)
                          .build())
                  .build())
          .build();

  private JsonFile() {}

  /// The whole file.
  ///
  /// @throws FathomException if it cannot be read, is too large, or is not JSON
  static JsonNode read(Path file) {
    try {
      if (Files.exists(file) && Files.size(file) > LARGEST) {
        throw new FathomException(
            "%s: expected at most %d MiB, found %d MiB; is this the right file?"
                .formatted(file, LARGEST >> 20, Files.size(file) >> 20));
      }
      String text = Files.readString(file, StandardCharsets.UTF_8);
      return JSON.readTree(text.startsWith("\uFEFF") ? text.substring(1) : text);
    } catch (JacksonException e) {
      throw new FathomException("%s: not JSON: %s".formatted(file, e.getOriginalMessage()), e);
    } catch (MalformedInputException e) {
      throw new FathomException(file + ": not UTF-8 text.", e);
    } catch (IOException e) {
      throw new FathomException(
          "%s cannot be read: %s"
              .formatted(file, Files.exists(file) ? e.getMessage() : "there is no such file."),
          e);
    }
  }
}
