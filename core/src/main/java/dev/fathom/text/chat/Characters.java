package dev.fathom.text.chat;

/// Python's classes of characters.
final class Characters {
  private Characters() {}

  /// What `str.strip` removes and `str.isspace` accepts.
  static boolean isSpace(int c) {
    return c <= ' '
        ? c == ' ' || (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x1f)
        : c == 0x85 || Character.isSpaceChar(c);
  }

  /// What a name in a template may consist of.
  static boolean isWord(int c) {
    return c == '_' || Character.isLetterOrDigit(c);
  }

  /// What ends a line for `str.splitlines`.
  static boolean isLineEnd(int c) {
    return (c >= 0x0a && c <= 0x0d)
        || (c >= 0x1c && c <= 0x1e)
        || c == 0x85
        || c == 0x2028
        || c == 0x2029;
  }

  /// What `repr` shows as itself.
  static boolean isPrintable(int c) {
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          false;
      case Character.SPACE_SEPARATOR -> c == ' ';
      default -> true;
    };
  }
}
