package dev.fathom.cli;

import dev.fathom.text.TokenDisplay;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/// A table in plain text: columns as wide as their longest cell, numbers to the right. Cells are
/// made harmless first: whatever a file or model says, it cannot steer the terminal.
final class Table {
  private static final int LONGEST_CELL = 60;

  private final List<String> titles;
  private final boolean[] right;
  private final List<List<String>> rows = new ArrayList<>();

  private Table(List<String> titles) {
    this.titles =
        titles.stream().map(title -> title.startsWith(">") ? title.substring(1) : title).toList();
    this.right = new boolean[titles.size()];
    for (int i = 0; i < right.length; i++) right[i] = titles.get(i).startsWith(">");
  }

  /// A table with these column titles; those that start with `>` are aligned to the right.
  static Table of(String... titles) {
    return new Table(List.of(titles));
  }

  void add(Object... cells) {
    var row = new ArrayList<String>();
    for (Object cell : cells) row.add(harmless(String.valueOf(cell), LONGEST_CELL));
    rows.add(row);
  }

  void print(PrintWriter out) {
    int[] widths = new int[titles.size()];
    for (int i = 0; i < widths.length; i++) {
      widths[i] = width(titles.get(i));
      for (var row : rows) widths[i] = Math.max(widths[i], width(row.get(i)));
    }
    line(out, titles, widths);
    rows.forEach(row -> line(out, row, widths));
  }

  private void line(PrintWriter out, List<String> cells, int[] widths) {
    var text = new StringBuilder();
    for (int i = 0; i < widths.length; i++) {
      var blank = " ".repeat(widths[i] - width(cells.get(i)));
      if (i > 0) text.append("  ");
      text.append(right[i] ? blank + cells.get(i) : cells.get(i) + blank);
    }
    out.println(text.toString().stripTrailing());
  }

  private static int width(String text) {
    return text.codePointCount(0, text.length());
  }

  /// `text` on one line of at most `longest` characters, without control characters.
  static String harmless(String text, int longest) {
    var cut = text.length() > 4 * longest ? text.substring(0, 4 * longest) : text;
    var visible = TokenDisplay.visible(cut);
    if (width(visible) <= longest && cut.length() == text.length()) return visible;
    int end = visible.offsetByCodePoints(0, Math.min(longest - 1, width(visible)));
    return visible.substring(0, end) + "…";
  }

  /// Bytes as people read them.
  static String bytes(double bytes) {
    if (bytes < 1024) return "%.0f B".formatted(bytes);
    if (bytes < 1 << 20) return "%.1f KiB".formatted(bytes / (1 << 10));
    if (bytes < 1 << 30) return "%.1f MiB".formatted(bytes / (1 << 20));
    return "%.2f GiB".formatted(bytes / (1 << 30));
  }
}
