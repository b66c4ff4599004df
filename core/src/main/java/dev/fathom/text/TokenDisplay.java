package dev.fathom.text;

/// How tokens are written where people read them: white space and control characters made visible,
/// everything else untouched. A leading space is kept, because to a model ` Paris` and `Paris` are
/// different tokens.
public final class TokenDisplay {
  private TokenDisplay() {}

  /// The token `id` as [Tokenizer#display(int)] gives it, made visible.
  public static String of(Tokenizer tokenizer, int id) {
    return visible(tokenizer.display(id));
  }

  /// `text` on one line: newline as `↵`, carriage return as `␍`, tab as `⇥`, a no-break space as
  /// `⍽`, other control and format characters (zero-width joiners, byte order marks, directional
  /// marks, unpaired surrogates) as `⟨U+200D⟩`. Plain spaces stay. Joiners between two visible
  /// characters stay as well, so that an emoji made of several is not torn apart.
  public static String visible(String text) {
    StringBuilder out = new StringBuilder(text.length());
    for (int i = 0, c; i < text.length(); i += Character.charCount(c)) {
      c = text.codePointAt(i);
      switch (c) {
        case '\n' -> out.append('↵');
        case '\r' -> out.append('␍');
        case '\t' -> out.append('⇥');
        case 0xA0 -> out.append('⍽');
        case 0x200C, 0x200D -> {
          if (i > 0 && i + 1 < text.length()) {
            out.appendCodePoint(c);
          } else {
            appendCode(out, c);
          }
        }
        default -> {
          if (isInvisible(c)) {
            appendCode(out, c);
          } else {
            out.appendCodePoint(c);
          }
        }
      }
    }
    return out.toString();
  }

  private static boolean isInvisible(int c) {
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          true;
      default -> false;
    };
  }

  private static void appendCode(StringBuilder out, int c) {
    out.append("⟨U+%04X⟩".formatted(c));
  }
}
