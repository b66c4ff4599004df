package dev.fathom.data;

import dev.fathom.FathomException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A file of comma-separated values whose first record names the columns (RFC 4180): fields with
/// commas, quotes or line breaks stand in double quotes, a quote within them is doubled. UTF-8, any
/// line ends, a byte order mark is skipped, empty lines too.
///
/// Strict where a lenient reader would shift columns in silence: a record has as many fields as the
/// header, and quotes stand only around a whole field.
public final class CsvFile {
  private static final int MOST_COLUMNS = 1000;

  private final Path file;
  private final BufferedReader reader;
  private int line = 1;
  private int next;

  private CsvFile(Path file, BufferedReader reader) {
    this.file = file;
    this.reader = reader;
  }

  /// One record.
  ///
  /// @param line of the file on which it begins, from 1
  public record Row(Path file, int line, Map<String, String> fields) {
    public Row {
      fields = Map.copyOf(fields);
    }

    /// A field by its column's name; empty where there is no such column or nothing is in it.
    public Optional<String> field(String column) {
      return Optional.ofNullable(fields.get(column)).filter(value -> !value.isEmpty());
    }

    /// What is wrong with this record.
    public FathomException malformed(String reason) {
      return CsvFile.malformed(file, line, reason);
    }
  }

  /// Hands on each record, in order, holding one at a time.
  ///
  /// @param needed columns the file cannot do without
  /// @throws FathomException naming the file and the line that is not understood, a column that is
  ///   missing, or if there is no record
  public static void forEach(Path file, List<String> needed, Consumer<Row> each) {
    int found =
        JsonItem.reading(file, "values", reader -> new CsvFile(file, reader).read(needed, each));
    if (found == 0) {
      throw new FathomException(file + ": no records in it.");
    }
  }

  private int read(List<String> needed, Consumer<Row> each) throws IOException {
    next = reader.read();
    if (next == '\uFEFF') {
      next = reader.read();
    }
    List<String> header = record();
    if (header == null) {
      return 0;
    }
    requireColumns(header.stream().map(String::strip).toList(), needed);
    List<String> columns = header.stream().map(String::strip).toList();
    int found = 0;
    while (true) {
      int start = skipEmptyLines();
      List<String> fields = record();
      if (fields == null) {
        return found;
      }
      if (fields.size() != columns.size()) {
        throw malformed(
            file,
            start,
            "it has %d fields, the header has %d; put fields with commas in double quotes"
                .formatted(fields.size(), columns.size()));
      }
      var named = new HashMap<String, String>();
      for (int c = 0; c < columns.size(); c++) {
        named.put(columns.get(c), fields.get(c));
      }
      each.accept(new Row(file, start, named));
      found++;
    }
  }

  private void requireColumns(List<String> columns, List<String> needed) {
    for (String column : needed) {
      if (!columns.contains(column)) {
        throw malformed(
            file,
            1,
            "the header has no column \"%s\", only %s"
                .formatted(column, String.join(", ", columns)));
      }
    }
    for (String column : columns) {
      if (columns.indexOf(column) != columns.lastIndexOf(column)) {
        throw malformed(file, 1, "two columns have the name \"%s\"".formatted(column));
      }
    }
  }

  private int skipEmptyLines() throws IOException {
    while (next == '\n' || next == '\r') {
      endLine();
    }
    return line;
  }

  /// The fields of the next record, its line end read too; null where there is none.
  private @Nullable List<String> record() throws IOException {
    skipEmptyLines();
    if (next < 0) {
      return null;
    }
    var fields = new ArrayList<String>();
    while (true) {
      fields.add(next == '"' ? quoted() : plain());
      if (fields.size() > MOST_COLUMNS) {
        throw malformed(file, line, "it has more than %d fields".formatted(MOST_COLUMNS));
      }
      if (next != ',') {
        endLine();
        return fields;
      }
      next = reader.read();
    }
  }

  private void endLine() throws IOException {
    if (next == '\r') {
      next = reader.read();
      if (next != '\n') {
        line++; // a lone carriage return
        return;
      }
    }
    if (next == '\n') {
      line++;
      next = reader.read();
    }
  }

  private String plain() throws IOException {
    var text = new StringBuilder();
    for (; next >= 0 && next != ',' && next != '\n' && next != '\r'; next = reader.read()) {
      if (next == '"') {
        throw malformed(
            file,
            line,
            "a quote within a field; put the whole field in quotes and double the quote");
      }
      append(text);
    }
    return text.toString();
  }

  private String quoted() throws IOException {
    int start = line;
    var text = new StringBuilder();
    next = reader.read();
    while (true) {
      if (next < 0) {
        throw malformed(file, start, "a quoted field has no end");
      }
      if (next == '"') {
        next = reader.read();
        if (next != '"') {
          break; // the closing quote
        }
      } else if (next == '\n') {
        line++;
      }
      append(text);
      next = reader.read();
    }
    if (next >= 0 && next != ',' && next != '\n' && next != '\r') {
      throw malformed(
          file, line, "text follows a closing quote; double the quotes within a quoted field");
    }
    return text.toString();
  }

  private void append(StringBuilder text) {
    if (text.length() == JsonItem.LONGEST_TEXT) {
      throw malformed(
          file, line, "a field has more than %d characters".formatted(JsonItem.LONGEST_TEXT));
    }
    text.append((char) next);
  }

  private static FathomException malformed(Path file, int line, String reason) {
    return new FathomException("%s, line %d: %s.".formatted(file, line, reason));
  }
}
