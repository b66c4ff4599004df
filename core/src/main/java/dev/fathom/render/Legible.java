package dev.fathom.render;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/// Text of strangers (tokens above all) made harmless and measured in terminal columns.
///
/// A tokenizer may hold anything: escape sequences that would repaint a terminal, invisible
/// characters, overrides of the reading direction, half a surrogate pair. [#of] leaves what a
/// reader can see and gives the rest a visible stand-in.
final class Legible {
  private static final Pattern CLUSTER = Pattern.compile("\\X");
  private static final int MOST_MARKS = 3;

  private static final int[][] WIDE = {
    {0x1100, 0x115F},
    {0x2329, 0x232A},
    {0x2E80, 0x303E},
    {0x3041, 0x4DBF},
    {0x4DC0, 0xA4CF},
    {0xA960, 0xA97F},
    {0xAC00, 0xD7A3},
    {0xF900, 0xFAFF},
    {0xFE10, 0xFE19},
    {0xFE30, 0xFE6F},
    {0xFF00, 0xFF60},
    {0xFFE0, 0xFFE6},
    {0x16FE0, 0x18DFF},
    {0x1AFF0, 0x1B2FF},
    {0x1D300, 0x1D376},
    {0x1F200, 0x1F265},
    {0x20000, 0x3FFFD}
  };

  private Legible() {}

  /// The text with a visible stand-in for everything that would not be seen or would do something:
  /// `␛` and its like for control characters, `⏎` for line breaks, `⟨200B⟩` for invisible ones and
  /// overrides of direction, `�` for half a character. Piled-up combining marks are cut to three.
  static String of(String text) {
    if (isPlain(text)) {
      return text;
    }
    var out = new StringBuilder(text.length() + 8);
    int marks = MOST_MARKS; // a mark at the very start has nothing to stand on
    boolean atStart = true;
    for (int i = 0; i < text.length(); ) {
      int c = text.codePointAt(i);
      i += Character.charCount(c);
      if (isMark(c)) {
        if (atStart) {
          out.append('◌');
          marks = 0;
        }
        if (marks < MOST_MARKS) {
          out.appendCodePoint(c);
        }
        marks++;
      } else {
        marks = 0;
        append(out, c);
      }
      atStart = false;
    }
    return out.toString();
  }

  private static void append(StringBuilder out, int c) {
    if (c == '\n' || c == 0x2028 || c == 0x2029) {
      out.append('⏎');
    } else if (c == '\t') {
      out.append('⇥');
    } else if (c < 0x20) {
      out.append((char) (0x2400 + c));
    } else if (c == 0x7F) {
      out.append('␡');
    } else if (c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE) {
      out.append('�');
    } else if (c == 0x200D || c == 0x200C) {
      out.appendCodePoint(c); // joiners: needed by emoji and by several scripts
    } else if (c == 0xA0) {
      out.append('⍽');
    } else if (isInvisible(c)) {
      out.append('⟨').append(Integer.toHexString(c).toUpperCase(Locale.ROOT)).append('⟩');
    } else {
      out.appendCodePoint(c);
    }
  }

  /// A token as a label in a grid of cells: legible, a leading space dropped (the cell's own border
  /// stands for it) and a token of nothing but spaces shown as `␣`.
  static String label(String token) {
    String text = token.startsWith(" ") ? token.substring(1) : token;
    if (text.isBlank() && !token.isEmpty() && token.chars().allMatch(c -> c == ' ')) {
      return "␣".repeat(Math.min(token.length(), 4));
    }
    return of(text);
  }

  private static boolean isPlain(String text) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c < 0x20 || c > 0x7E) {
        return false;
      }
    }
    return true;
  }

  private static boolean isMark(int c) {
    int type = Character.getType(c);
    return type == Character.NON_SPACING_MARK || type == Character.ENCLOSING_MARK;
  }

  private static boolean isInvisible(int c) {
    int type = Character.getType(c);
    return type == Character.FORMAT
        || type == Character.CONTROL
        || type == Character.PRIVATE_USE
        || type == Character.UNASSIGNED
        || (type == Character.SPACE_SEPARATOR && c != ' ')
        || c == 0x115F
        || c == 0x1160
        || c == 0x3164
        || c == 0xFFA0
        || c == 0x2800;
  }

  /// Columns that a legible text takes in a terminal: 2 for each CJK character and emoji.
  static int width(String text) {
    return isPlain(text)
        ? text.length()
        : clusters(text).stream().mapToInt(Legible::clusterWidth).sum();
  }

  /// The longest beginning of a legible text that fits into `columns`, ending in `ellipsis` if
  /// anything was cut and there are more than 4 columns.
  static String cut(String text, int columns, String ellipsis) {
    if (width(text) <= columns) {
      return text;
    }
    String mark = columns > 4 ? ellipsis : "";
    int room = columns - width(mark);
    var out = new StringBuilder();
    for (String cluster : clusters(text)) {
      room -= clusterWidth(cluster);
      if (room < 0) {
        break;
      }
      out.append(cluster);
    }
    return out + mark;
  }

  /// The text followed by spaces up to `columns`.
  static String pad(String text, int columns) {
    return text + " ".repeat(Math.max(0, columns - width(text)));
  }

  /// The text preceded by spaces up to `columns`.
  static String padLeft(String text, int columns) {
    return " ".repeat(Math.max(0, columns - width(text))) + text;
  }

  /// The text in pieces of at most `columns`, broken anywhere.
  static List<String> pieces(String text, int columns) {
    var pieces = new ArrayList<String>();
    var piece = new StringBuilder();
    int used = 0;
    for (String cluster : clusters(text)) {
      int w = clusterWidth(cluster);
      if (used + w > columns && used > 0) {
        pieces.add(piece.toString());
        piece.setLength(0);
        used = 0;
      }
      piece.append(cluster);
      used += w;
    }
    pieces.add(piece.toString());
    return pieces;
  }

  /// The text in lines of at most `columns`, broken at spaces where possible.
  static List<String> wrap(String text, int columns) {
    var lines = new ArrayList<String>();
    var line = new StringBuilder();
    int used = 0;
    for (String word : text.split(" ", -1)) {
      for (String piece : pieces(word, columns)) {
        int w = width(piece);
        if (!line.isEmpty() && used + 1 + w > columns) {
          lines.add(line.toString());
          line.setLength(0);
          used = 0;
        }
        if (!line.isEmpty()) {
          line.append(' ');
          used++;
        }
        line.append(piece);
        used += w;
      }
    }
    lines.add(line.toString());
    return lines;
  }

  /// The characters as a reader counts them (extended grapheme clusters).
  static List<String> clusters(String text) {
    return CLUSTER.matcher(text).results().map(r -> r.group()).toList();
  }

  private static int clusterWidth(String cluster) {
    int first = cluster.codePointAt(0);
    if (Character.isEmojiPresentation(first) || cluster.indexOf(0xFE0F) > 0) {
      return 2;
    }
    return cluster.codePoints().map(Legible::width).sum();
  }

  private static int width(int c) {
    int type = Character.getType(c);
    if (isMark(c) || type == Character.FORMAT || (c >= 0x1160 && c <= 0x11FF)) {
      return 0;
    }
    for (int[] range : WIDE) {
      if (c >= range[0] && c <= range[1]) {
        return 2;
      }
    }
    return Character.isEmojiPresentation(c) ? 2 : 1;
  }
}
