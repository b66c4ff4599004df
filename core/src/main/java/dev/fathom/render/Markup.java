package dev.fathom.render;

/// Text of strangers inside HTML and SVG.
final class Markup {
  private Markup() {}

  /// The text made legible and safe between tags and in quoted attributes.
  static String escape(String text) {
    return entities(Legible.of(text));
  }

  /// Several lines as one attribute or title, the breaks between them kept.
  static String lines(Iterable<String> lines) {
    var out = new StringBuilder();
    for (String line : lines) {
      out.append(out.isEmpty() ? "" : "&#10;").append(escape(line));
    }
    return out.toString();
  }

  private static String entities(String text) {
    var out = new StringBuilder(text.length() + 8);
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '&' -> out.append("&amp;");
        case '<' -> out.append("&lt;");
        case '>' -> out.append("&gt;");
        case '"' -> out.append("&quot;");
        case '\'' -> out.append("&#39;");
        default -> out.append(c);
      }
    }
    return out.toString();
  }
}
