package dev.fathom.data;

import dev.fathom.FathomException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A table in text: the first row names the columns, and fields that hold a comma, a quote or a
/// line break stand in quotes, quotes within them doubled (RFC 4180). The separator is a comma,
/// lines end in any way, and empty lines are left alone.
public final class CsvFile {
  private static final long LARGEST_FILE = 64 << 20;
  private static final int LONGEST_FIELD = 1 << 20;

  private final Path file;
  private final BufferedReader in;
  private int line = 1;
  private int next;

  private CsvFile(Path file, BufferedReader in) throws IOException {
    this.file = file;
    this.in = in;
    this.next = in.read();
    if (next == '\uFEFF') {
      next = in.read();
    }
  }

  /// One row.
  ///
  /// @param line where it begins, from 1
  public record Row(int line, Map<String, String> fields) {
    public Row {
      fields = Map.copyOf(fields);
    }

    /// The field of a column, which may be empty.
    ///
    /// @throws IllegalArgumentException if there is no such column
    public String get(String column) {
      String field = fields.get(column);
      if (field == null) {
        throw new IllegalArgumentException("there is no column " + column);
      }
      return field;
    }
  }

  /// All rows but the first.
  ///
  /// @param columns that the file cannot do without
  /// @throws FathomException naming the file and the column or line that is not understood
  public static List<Row> read(Path file, String... columns) {
    try {
      if (Files.exists(file) && Files.size(file) > LARGEST_FILE) {
        throw new FathomException(
            "%s: expected a table of at most %d MiB, found %d MiB; split the file."
                .formatted(file, LARGEST_FILE >> 20, Files.size(file) >> 20));
      }
      try (var in = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
        return new CsvFile(file, in).rows(List.of(columns));
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

  private List<Row> rows(List<String> columns) throws IOException {
    List<String> names = row();
    if (names == null) {
      throw new FathomException(file + ": is empty; expected a row that names the columns.");
    }
    for (String column : columns) {
      if (!names.contains(column)) {
        throw new FathomException(
            "%s: it has no column %s; its columns are %s."
                .formatted(file, column, String.join(", ", names)));
      }
    }
    var rows = new ArrayList<Row>();
    while (true) {
      int start = line;
      List<String> fields = row();
      if (fields == null) {
        return List.copyOf(rows);
      }
      if (fields.equals(List.of(""))) {
        continue;
      }
      if (fields.size() != names.size()) {
        throw new FathomException(
            "%s, line %d: expected %d fields as in the first row, found %d."
                .formatted(file, start, names.size(), fields.size()));
      }
      var byName = new HashMap<String, String>();
      for (int i = 0; i < fields.size(); i++) {
        byName.putIfAbsent(names.get(i), fields.get(i));
      }
      rows.add(new Row(start, byName));
    }
  }

  /// The fields of the next row; null at the end.
  private @Nullable List<String> row() throws IOException {
    if (next < 0) {
      return null;
    }
    var fields = new ArrayList<String>();
    while (true) {
      fields.add(next == '"' ? quoted() : plain());
      if (next == ',') {
        advance();
      } else {
        endLine();
        return fields;
      }
    }
  }

  private String plain() throws IOException {
    var field = new StringBuilder();
    while (next >= 0 && next != ',' && next != '\n' && next != '\r') {
      append(field);
    }
    return field.toString();
  }

  private String quoted() throws IOException {
    int start = line;
    var field = new StringBuilder();
    advance(); // the quote
    while (true) {
      if (next < 0) {
        throw new FathomException(
            "%s, line %d: a quote is opened here and never closed.".formatted(file, start));
      }
      if (next == '"') {
        advance();
        if (next != '"') {
          break;
        }
      }
      append(field);
    }
    if (next >= 0 && next != ',' && next != '\n' && next != '\r') {
      throw new FathomException(
          "%s, line %d: expected a comma after a quoted field, found \"%c\"."
              .formatted(file, line, next));
    }
    return field.toString();
  }

  private void append(StringBuilder field) throws IOException {
    if (field.length() == LONGEST_FIELD) {
      throw new FathomException(
          "%s, line %d: a field has more than %d characters; is a quote missing?"
              .formatted(file, line, LONGEST_FIELD));
    }
    field.append((char) next);
    advance();
  }

  private void advance() throws IOException {
    if (next == '\n') {
      line++;
    }
    next = in.read();
  }

  private void endLine() throws IOException {
    if (next == '\r') {
      advance();
    }
    if (next == '\n') {
      advance();
    }
  }
}
