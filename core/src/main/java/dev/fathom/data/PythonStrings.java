package dev.fathom.data;

import dev.fathom.FathomException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// A list of strings as Python writes it: `['one', "it's two", 'a \'third\'']`. Read as text, never
/// run.
final class PythonStrings {
  private static final int MOST = 1_000_000;

  private final String text;
  private final Path file;
  private int at;

  private PythonStrings(String text, Path file) {
    this.text = text;
    this.file = file;
  }

  /// @param file it is from, for messages
  /// @throws FathomException naming the place that is not understood
  static List<String> read(String text, Path file) {
    return new PythonStrings(text, file).list();
  }

  private List<String> list() {
    var strings = new ArrayList<String>();
    expect('[');
    skip();
    while (!ends(']')) {
      if (strings.size() == MOST) {
        throw malformed("at most %d strings".formatted(MOST));
      }
      strings.add(string());
      skip();
      if (!ends(']')) {
        expect(',');
        skip();
      }
    }
    expect(']');
    skip();
    if (at < text.length()) {
      throw malformed("nothing after the list");
    }
    return strings;
  }

  private boolean ends(char end) {
    return at < text.length() && text.charAt(at) == end;
  }

  private void skip() {
    while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
      at++;
    }
  }

  private void expect(char wanted) {
    skip();
    if (!ends(wanted)) {
      throw malformed("'%c'".formatted(wanted));
    }
    at++;
  }

  private String string() {
    if (at >= text.length() || (text.charAt(at) != '\'' && text.charAt(at) != '"')) {
      throw malformed("a string in quotes");
    }
    char quote = text.charAt(at++);
    var string = new StringBuilder();
    while (at < text.length() && text.charAt(at) != quote) {
      char next = text.charAt(at++);
      if (next == '\n') {
        throw malformed("the end of the string on its line");
      }
      if (next == '\\') {
        escaped(string);
      } else {
        string.append(next);
      }
    }
    if (at >= text.length()) {
      throw malformed("the end of the string");
    }
    at++;
    return string.toString();
  }

  private void escaped(StringBuilder string) {
    if (at >= text.length()) {
      throw malformed("a character behind \\");
    }
    char kind = text.charAt(at++);
    switch (kind) {
      case 'n' -> string.append('\n');
      case 't' -> string.append('\t');
      case 'r' -> string.append('\r');
      case '\\', '\'', '"' -> string.append(kind);
      case 'x' -> string.appendCodePoint(code(2));
      case 'u' -> string.appendCodePoint(code(4));
      case 'U' -> string.appendCodePoint(code(8));
      default -> string.append('\\').append(kind); // as Python has it
    }
  }

  private int code(int digits) {
    if (at + digits > text.length()) {
      throw malformed(digits + " hexadecimal digits");
    }
    String hex = text.substring(at, at + digits);
    if (!hex.matches("[0-9a-fA-F]+")
        || !Character.isValidCodePoint(Integer.parseUnsignedInt(hex, 16))) {
      throw malformed(digits + " hexadecimal digits of a character");
    }
    at += digits;
    return Integer.parseInt(hex, 16);
  }

  private FathomException malformed(String expected) {
    int line =
        1
            + (int)
                text.substring(0, Math.min(at, text.length()))
                    .chars()
                    .filter(c -> c == '\n')
                    .count();
    String found =
        at < text.length()
            ? "'" + text.substring(at, Math.min(text.length(), at + 12)).replace("\n", " ") + "'"
            : "the end of the file";
    return new FathomException(
        "%s, line %d: expected %s, found %s; it should be a list of strings as Python writes it"
            .formatted(file, line, expected, found));
  }
}
