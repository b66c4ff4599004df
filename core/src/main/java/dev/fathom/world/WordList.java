package dev.fathom.world;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/// One of the lists beside this class: tab-separated, the first line a header, `#` for comments.
final class WordList {
  private WordList() {}

  /// The rows of a list.
  ///
  /// @param header its columns, checked
  static List<List<String>> rows(String file, String... header) {
    List<List<String>> rows = new ArrayList<>();
    for (String line : text(file).split("\n", -1)) {
      if (!line.isBlank() && !line.startsWith("#")) {
        List<String> row = List.of(line.strip().split("\t", -1));
        if (row.size() != header.length || row.stream().anyMatch(String::isBlank)) {
          throw new IllegalStateException(
              "%s: expected %d fields, none empty, found: %s".formatted(file, header.length, line));
        }
        rows.add(row);
      }
    }
    if (rows.isEmpty() || !rows.getFirst().equals(List.of(header))) {
      throw new IllegalStateException(
          "%s: expected the columns %s.".formatted(file, String.join(", ", header)));
    }
    return rows.subList(1, rows.size());
  }

  private static String text(String file) {
    try (var in = Objects.requireNonNull(WordList.class.getResourceAsStream(file), file)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
