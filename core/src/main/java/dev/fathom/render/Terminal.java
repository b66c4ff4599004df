package dev.fathom.render;

import dev.fathom.view.Provenance;
import dev.fathom.view.Report;
import dev.fathom.view.Scale;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import dev.fathom.view.View.Edge;
import dev.fathom.view.View.Flow;
import dev.fathom.view.View.HeatMap;
import dev.fathom.view.View.Item;
import dev.fathom.view.View.Lines;
import dev.fathom.view.View.Quantity;
import dev.fathom.view.View.Ranking;
import dev.fathom.view.View.Scatter;
import dev.fathom.view.View.SmallMultiples;
import dev.fathom.view.View.Table;
import dev.fathom.view.View.Text;
import dev.fathom.view.View.Token;
import dev.fathom.view.View.Tokens;
import dev.fathom.view.View.Words;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/// Draws views as text for a terminal or a log. No line is wider than the style's width, every
/// picture carries a legend with units, and without colour digits take its place.
public final class Terminal {
  private static final int MOST_EDGES = 30;

  private Terminal() {}

  /// One view, ending in a line break.
  public static String render(View view, TerminalStyle style) {
    var pen = new Pen(style);
    draw(pen, view, "");
    return pen.text();
  }

  /// A report from its title to where its numbers come from, ending in a line break.
  public static String render(Report report, TerminalStyle style) {
    var pen = new Pen(style);
    for (String line : Legible.wrap(Legible.of(report.title()), pen.width())) {
      pen.line(pen.bold(line));
    }
    if (!report.subtitle().isEmpty()) {
      pen.aside(report.subtitle());
    }
    if (!report.summary().isEmpty()) {
      pen.blank();
      if (report.summary().size() == 1) {
        pen.words(report.summary().getFirst(), "");
      }
      for (String sentence : report.summary().size() == 1 ? List.<String>of() : report.summary()) {
        List<String> lines = Legible.wrap(Legible.of(sentence), pen.width() - 2);
        for (int i = 0; i < lines.size(); i++) {
          pen.line((i == 0 ? pen.either("• ", "- ") : "  ") + lines.get(i));
        }
      }
    }
    for (Section section : report.sections()) {
      pen.blank();
      heading(pen, section.title());
      if (!section.explanation().isEmpty()) {
        pen.aside(section.explanation());
      }
      for (View view : section.views()) {
        pen.blank();
        draw(pen, view, section.title());
      }
    }
    pen.blank();
    pen.aside(origin(report.provenance()));
    return pen.text();
  }

  private static void heading(Pen pen, String title) {
    String text = Legible.cut(Legible.of(title), pen.width() - 6, "…");
    String rule = pen.either("─", "-");
    int rest = Math.max(0, pen.width() - Legible.width(text) - 4);
    pen.line(pen.faint(rule.repeat(2)) + " " + pen.bold(text) + " " + pen.faint(rule.repeat(rest)));
  }

  /// Where numbers come from, as one sentence without a verb.
  static String origin(Provenance p) {
    var parts = new ArrayList<String>();
    parts.add(p.model());
    if (!p.weights().isEmpty()) {
      parts.add("sha256 " + p.weights().substring(0, Math.min(12, p.weights().length())));
    }
    parts.add(p.dtype());
    p.parameters().forEach((name, value) -> parts.add(name + " " + quoted(value)));
    p.seed().ifPresent(seed -> parts.add("seed " + seed));
    parts.add(Numbers.format(p.seconds()) + " s");
    if (p.peakBytes() > 0) {
      parts.add("peak " + Numbers.bytes(p.peakBytes()));
    }
    parts.add("Fathom " + p.version());
    return String.join(" · ", parts);
  }

  /// A value whose ends would not be seen stands in quotes.
  private static String quoted(String value) {
    return value.strip().equals(value) ? value : "'" + value + "'";
  }

  private static void draw(Pen pen, View view, String heading) {
    if (!view.title().isEmpty() && !view.title().equals(heading)) {
      for (String line : Legible.wrap(Legible.of(view.title()), pen.width())) {
        pen.line(pen.bold(line));
      }
    }
    if (!view.question().isEmpty()) {
      pen.aside(view.question());
    }
    switch (view) {
      case HeatMap map -> TerminalHeatMap.draw(pen, map);
      case SmallMultiples page -> TerminalHeatMap.draw(pen, page);
      case Lines lines -> TerminalChart.draw(pen, lines);
      case Scatter scatter -> TerminalChart.draw(pen, scatter);
      case Tokens tokens -> tokens(pen, tokens);
      case Ranking ranking -> ranking(pen, ranking);
      case Flow flow -> flow(pen, flow);
      case Table table -> table(pen, table);
      case Text text -> text(pen, text);
    }
  }

  private static void tokens(Pen pen, Tokens strip) {
    Scale scale = strip.fitted();
    var line = new StringBuilder();
    int used = 0;
    for (Token token : strip.tokens()) {
      String shown = Legible.of(token.text());
      if (!pen.colored() && !Double.isNaN(token.value())) {
        shown += "(" + Numbers.format(token.value()) + ")";
      }
      for (String piece : Legible.pieces(shown, pen.width())) {
        int w = Legible.width(piece);
        if (used + w > pen.width()) {
          pen.line(line.toString());
          line.setLength(0);
          used = 0;
        }
        boolean coloured = pen.colored() && !Double.isNaN(token.value());
        line.append(coloured ? pen.on(pen.ground(scale, token.value()), piece) : piece);
        used += w;
      }
    }
    pen.line(line.toString());
    if (pen.colored()) {
      TerminalHeatMap.legend(pen, scale, "");
    } else {
      pen.words("numbers: " + scale.unit(), "");
    }
  }

  private static void ranking(Pen pen, Ranking ranking) {
    if (ranking.items().isEmpty()) {
      pen.line("(nothing to rank)");
      return;
    }
    int widest =
        ranking.items().stream()
            .mapToInt(i -> Legible.width(Legible.of(i.label())))
            .max()
            .orElse(0);
    int label = Math.min(widest, pen.width() / 3);
    int longest = ranking.items().stream().mapToInt(i -> quantity(i).length()).max().orElse(0);
    boolean room = label + longest + 7 <= pen.width();
    int number =
        room
            ? longest
            : ranking.items().stream()
                .mapToInt(i -> Numbers.format(i.value()).length())
                .max()
                .orElse(0);
    int bar = Math.max(4, pen.width() - label - number - 3);
    double most = greatest(ranking.items());
    boolean signed = ranking.items().stream().anyMatch(i -> i.value() < 0);
    int half = signed ? bar / 2 : bar;
    for (Item item : ranking.items()) {
      String name = Legible.pad(Legible.cut(Legible.of(item.label()), label, "…"), label);
      String value = Legible.padLeft(room ? quantity(item) : Numbers.format(item.value()), number);
      double share = most == 0 || !Double.isFinite(item.value()) ? 0 : item.value() / most;
      String filled = bar(pen, Math.abs(share), half);
      Rgb color = Palette.groups(Theme.DARK).get(share < 0 ? 1 : 0);
      String left = signed ? " ".repeat(half) : "";
      if (share < 0) {
        String whole = pen.either("█", "#").repeat((int) Math.round(-share * half));
        left = " ".repeat(half - whole.length()) + pen.in(color, whole);
        filled = "";
      }
      String axis = signed ? pen.faint(pen.either("│", "|")) : "";
      pen.line(name + " " + value + " " + left + axis + pen.in(color, filled));
    }
    boolean intervals = room && ranking.items().stream().anyMatch(i -> Double.isFinite(i.low()));
    pen.aside(ranking.unit() + (intervals ? "; [low, high] is the interval" : ""));
  }

  private static double greatest(List<Item> items) {
    return items.stream()
        .mapToDouble(i -> Math.abs(i.value()))
        .filter(Double::isFinite)
        .max()
        .orElse(0);
  }

  private static String quantity(Item item) {
    return quantity(item.value(), item.low(), item.high());
  }

  static String quantity(double value, double low, double high) {
    String number = Numbers.format(value);
    return Double.isNaN(low) || Double.isNaN(high)
        ? number
        : number + " [" + Numbers.format(low) + ", " + Numbers.format(high) + "]";
  }

  private static String bar(Pen pen, double share, int width) {
    if (!pen.style().unicode()) {
      return "#".repeat((int) Math.round(share * width));
    }
    int eighths = (int) Math.round(share * width * 8);
    String rest = eighths % 8 == 0 ? "" : String.valueOf((char) ('█' + 8 - eighths % 8));
    return "█".repeat(eighths / 8) + rest;
  }

  private static void flow(Pen pen, Flow flow) {
    List<Edge> strongest =
        flow.edges().stream()
            .sorted(Comparator.comparingDouble((Edge e) -> -Math.abs(e.weight())))
            .limit(MOST_EDGES)
            .toList();
    if (strongest.isEmpty()) {
      pen.line("(no edges)");
      return;
    }
    int side = Math.max(3, (pen.width() - 14) / 2);
    int from =
        strongest.stream()
            .mapToInt(e -> Legible.width(Legible.label(flow.nodes().get(e.from()).label())))
            .max()
            .orElse(0);
    int width = Math.min(side, from);
    for (Edge edge : strongest) {
      String a = Legible.cut(Legible.label(flow.nodes().get(edge.from()).label()), width, "…");
      String b = Legible.cut(Legible.label(flow.nodes().get(edge.to()).label()), side, "…");
      String weight = Legible.padLeft(Numbers.fit(edge.weight(), 8), 8);
      pen.line(Legible.pad(a, width) + " " + weight + " " + pen.either("─▶", "->") + " " + b);
    }
    pen.aside(flow.unit() + ", strongest first");
    if (strongest.size() < flow.edges().size()) {
      pen.aside("%d of %d edges.".formatted(strongest.size(), flow.edges().size()));
    }
  }

  private static void table(Pen pen, Table table) {
    int n = table.columns().size();
    if (n == 0) {
      pen.line("(no columns)");
      return;
    }
    int[] widths = new int[n];
    boolean[] numeric = new boolean[n];
    for (int c = 0; c < n; c++) {
      int column = c;
      widths[c] =
          Math.max(
              Legible.width(Legible.of(table.columns().get(c))),
              table.rows().stream()
                  .mapToInt(r -> Legible.width(text(r.get(column))))
                  .max()
                  .orElse(0));
      numeric[c] =
          !table.rows().isEmpty()
              && table.rows().stream().allMatch(r -> r.get(column) instanceof Quantity);
      widths[c] = Math.min(widths[c], Math.max(8, pen.width() / (numeric[c] ? 1 : 2)));
    }
    widths[0] = Math.min(widths[0], Math.max(8, pen.width() / 3));
    for (int from = 1; from <= n; ) {
      int used = widths[0];
      int to = from;
      while (to < n && (to == from || used + 2 + widths[to] <= pen.width())) {
        widths[to] = Math.min(widths[to], Math.max(4, pen.width() - widths[0] - 2));
        used += 2 + widths[to];
        to++;
      }
      if (from > 1) {
        pen.blank();
      }
      var head = new StringBuilder();
      for (int c : columnsOf(from, to)) {
        head.append(c == 0 ? "" : "  ")
            .append(fit(Legible.of(table.columns().get(c)), widths[c], numeric[c]));
      }
      pen.line(pen.bold(head.toString().stripTrailing()));
      for (List<Cell> row : table.rows()) {
        var line = new StringBuilder();
        for (int c : columnsOf(from, to)) {
          line.append(c == 0 ? "" : "  ").append(fit(text(row.get(c)), widths[c], numeric[c]));
        }
        pen.line(line.toString());
      }
      from = Math.max(to, from + 1);
      if (to == n) {
        break;
      }
    }
    if (table.rows().isEmpty()) {
      pen.line("(no rows)");
    }
  }

  /// The first column, which names the rows, and then a run of others.
  private static List<Integer> columnsOf(int from, int to) {
    var columns = new ArrayList<Integer>();
    columns.add(0);
    for (int c = from; c < to; c++) {
      columns.add(c);
    }
    return columns;
  }

  private static String fit(String text, int width, boolean right) {
    String cut = Legible.cut(text, width, "…");
    return right ? Legible.padLeft(cut, width) : Legible.pad(cut, width);
  }

  static String text(Cell cell) {
    return switch (cell) {
      case Words words -> Legible.of(words.text());
      case Quantity q -> quantity(q.value(), q.low(), q.high());
    };
  }

  private static void text(Pen pen, Text text) {
    for (int i = 0; i < text.paragraphs().size(); i++) {
      if (i > 0) {
        pen.blank();
      }
      pen.words(text.paragraphs().get(i), "");
    }
  }
}
