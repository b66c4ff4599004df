package dev.fathom.render;

import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import dev.fathom.view.View.Edge;
import dev.fathom.view.View.Flow;
import dev.fathom.view.View.HeatMap;
import dev.fathom.view.View.Item;
import dev.fathom.view.View.Lines;
import dev.fathom.view.View.Node;
import dev.fathom.view.View.Quantity;
import dev.fathom.view.View.Ranking;
import dev.fathom.view.View.Scatter;
import dev.fathom.view.View.SmallMultiples;
import dev.fathom.view.View.Table;
import dev.fathom.view.View.Text;
import dev.fathom.view.View.Token;
import dev.fathom.view.View.Tokens;
import java.util.ArrayList;
import java.util.List;

/// Draws views as SVG: vector pictures for pages and papers, with the numbers in tooltips.
public final class Svg {
  static final double MARGIN = 16;
  static final double SIZE = 12;
  static final double WIDTH = 760;

  private Svg() {}

  /// One view as a file that follows the viewer's preference for light or dark.
  public static String render(View view) {
    return render(view, Theme.AUTO);
  }

  /// One view as a file. [Theme#LIGHT] and [Theme#DARK] use plain colours, which every program
  /// understands; [Theme#AUTO] needs a browser.
  public static String render(View view, Theme theme) {
    return render(view.title(), List.of(view), theme);
  }

  /// Several views below each other as one file.
  ///
  /// @param name what a reader that cannot see it is told
  public static String render(String name, List<View> views, Theme theme) {
    var drawing = new Drawing(theme);
    for (View view : views) {
      headed(drawing, view, drawing.height() + MARGIN);
    }
    drawing.extend(drawing.width() + MARGIN, drawing.height() + MARGIN);
    return drawing.document(name);
  }

  /// A view under its title and question.
  private static void headed(Drawing drawing, View view, double top) {
    double y = top;
    if (!view.title().isEmpty()) {
      y += 16;
      String title = Legible.of(view.title());
      drawing.bold(MARGIN, y, title, "start", 16, "ink");
      drawing.extend(2 * MARGIN + Drawing.measure(title, 16.5), y);
      y += 6;
    }
    if (!view.question().isEmpty()) {
      for (String line : Legible.wrap(Legible.of(view.question()), 100)) {
        y += 16;
        drawing.text(MARGIN, y, line, "start", SIZE, "soft");
        drawing.extend(2 * MARGIN + Drawing.measure(line, SIZE), y);
      }
      y += 6;
    }
    draw(drawing, view, MARGIN, y + 6);
  }

  /// The picture alone, for a page that shows title and question itself and defines the colours.
  static String inline(View view) {
    var drawing = new Drawing(Theme.AUTO);
    draw(drawing, view, 1, 1);
    drawing.extend(drawing.width() + 1, drawing.height() + 1);
    return drawing.inline(view.title());
  }

  private static void draw(Drawing drawing, View view, double x, double y) {
    switch (view) {
      case HeatMap map -> SvgHeatMap.draw(drawing, map, x, y);
      case SmallMultiples page -> SvgHeatMap.draw(drawing, page, x, y);
      case Lines lines -> SvgChart.draw(drawing, lines, x, y);
      case Scatter scatter -> SvgChart.draw(drawing, scatter, x, y);
      case Tokens tokens -> tokens(drawing, tokens, x, y);
      case Ranking ranking -> ranking(drawing, ranking, x, y);
      case Flow flow -> flow(drawing, flow, x, y);
      case Table table -> table(drawing, table, x, y);
      case Text text -> text(drawing, text, x, y);
    }
  }

  private static void tokens(Drawing drawing, Tokens strip, double left, double top) {
    var scale = strip.fitted();
    double x = left;
    double y = top;
    double height = 28;
    for (Token token : strip.tokens()) {
      String text = Legible.cut(Legible.of(token.text()), 60, "…");
      String shown =
          text.isBlank() && !text.isEmpty() ? "␣".repeat(Math.min(4, text.length())) : text;
      double width = Math.max(18, Drawing.measure(shown.strip(), 14) + 12);
      if (x + width > left + WIDTH && x > left) {
        x = left;
        y += height + 4;
      }
      String step = Palette.step(scale, token.value());
      var tip = new ArrayList<String>();
      tip.add("'" + token.text() + "'  " + Numbers.format(token.value()) + " " + scale.unit());
      tip.addAll(token.details());
      drawing.rect(x, y, width, height, step, tip);
      drawing.text(x + width / 2, y + 19, shown.strip(), "middle", 14, "on-" + step);
      drawing.extend(x + width, y + height);
      x += width + (token.text().isEmpty() ? 0 : 2);
    }
    SvgHeatMap.legend(drawing, scale, left, (strip.tokens().isEmpty() ? top : y + height) + 14);
  }

  private static void ranking(Drawing drawing, Ranking ranking, double left, double top) {
    double row = 24;
    double labels =
        Math.min(
            220,
            20
                + ranking.items().stream()
                    .mapToDouble(i -> Drawing.measure(Legible.of(i.label()), SIZE))
                    .max()
                    .orElse(0));
    double numbers = 64;
    double least = 0;
    double most = 0;
    for (Item item : ranking.items()) {
      for (double v : new double[] {item.value(), item.low(), item.high()}) {
        least = Double.isFinite(v) ? Math.min(least, v) : least;
        most = Double.isFinite(v) ? Math.max(most, v) : most;
      }
    }
    double from = left + labels + numbers;
    double unit = (WIDTH - labels - numbers) / (most > least ? most - least : 1);
    double zero = from - least * unit;
    double y = top;
    for (Item item : ranking.items()) {
      var tip = new ArrayList<String>();
      tip.add(
          item.label()
              + "  "
              + Terminal.quantity(item.value(), item.low(), item.high())
              + " "
              + ranking.unit());
      tip.addAll(item.details());
      drawing.text(left, y + 16, Drawing.cut(item.label(), SIZE, labels - 8), "start", SIZE, "ink");
      drawing.text(from - 10, y + 16, Numbers.format(item.value()), "end", SIZE, "soft");
      if (Double.isFinite(item.value())) {
        double end = zero + item.value() * unit;
        drawing.rect(
            Math.min(zero, end),
            y + 4,
            Math.max(1, Math.abs(end - zero)),
            row - 8,
            item.value() < 0 ? "g1" : "g0",
            tip);
      }
      if (Double.isFinite(item.low()) && Double.isFinite(item.high())) {
        double a = zero + item.low() * unit;
        double b = zero + item.high() * unit;
        double middle = y + row / 2;
        drawing.line(a, middle, b, middle, "ink", false);
        drawing.line(a, middle - 4, a, middle + 4, "ink", false);
        drawing.line(b, middle - 4, b, middle + 4, "ink", false);
      }
      y += row;
    }
    drawing.line(zero, top, zero, y, "soft", false);
    drawing.text(from, y + 16, ranking.unit(), "start", 11, "soft");
    drawing.extend(left + WIDTH, y + 22);
  }

  private static void flow(Drawing drawing, Flow flow, double left, double top) {
    int columns = flow.nodes().stream().mapToInt(n -> Math.max(0, n.column())).max().orElse(0) + 1;
    double across = Math.max(150, WIDTH / columns);
    double boxWidth = Math.min(120, across - 50);
    double row = 44;
    int[] used = new int[columns];
    double[] x = new double[flow.nodes().size()];
    double[] y = new double[flow.nodes().size()];
    for (int i = 0; i < x.length; i++) {
      int column = Math.max(0, flow.nodes().get(i).column());
      x[i] = left + column * across;
      y[i] = top + used[column]++ * row;
    }
    double most = flow.edges().stream().mapToDouble(e -> Math.abs(e.weight())).max().orElse(1);
    for (Edge edge : flow.edges()) {
      double x1 = x[edge.from()] + boxWidth;
      double y1 = y[edge.from()] + 14;
      double x2 = x[edge.to()];
      double y2 = y[edge.to()] + 14;
      double bend = Math.max(20, Math.abs(x2 - x1) / 2);
      String path =
          "M%s %sC%s %s %s %s %s %s"
              .formatted(
                  Drawing.n(x1),
                  Drawing.n(y1),
                  Drawing.n(x1 + bend),
                  Drawing.n(y1),
                  Drawing.n(x2 - bend),
                  Drawing.n(y2),
                  Drawing.n(x2),
                  Drawing.n(y2));
      double share = most == 0 ? 0 : Math.abs(edge.weight()) / most;
      String tip =
          "%s → %s  %s %s"
              .formatted(
                  flow.nodes().get(edge.from()).label(),
                  flow.nodes().get(edge.to()).label(),
                  Numbers.format(edge.weight()),
                  flow.unit());
      drawing.stroke(path, edge.weight() < 0 ? "g1" : "g0", 1 + 9 * share, 0.55, List.of(tip));
    }
    for (int i = 0; i < x.length; i++) {
      Node node = flow.nodes().get(i);
      drawing.rect(x[i], y[i], boxWidth, 28, "na", List.of(node.label()));
      drawing.text(
          x[i] + boxWidth / 2,
          y[i] + 19,
          Drawing.cut(node.label().strip(), SIZE, boxWidth - 8),
          "middle",
          SIZE,
          "ink");
      drawing.extend(x[i] + boxWidth, y[i] + 28);
    }
    double end = Math.max(top, drawing.height()) + 20;
    drawing.text(
        left, end, "thickness: " + flow.unit() + "; orange: negative", "start", 11, "soft");
    drawing.extend(left + 300, end + 6);
  }

  private static void table(Drawing drawing, Table table, double left, double top) {
    double x = left;
    double row = 22;
    for (int c = 0; c < table.columns().size(); c++) {
      int column = c;
      boolean numeric =
          !table.rows().isEmpty()
              && table.rows().stream().allMatch(r -> r.get(column) instanceof Quantity);
      double width = Math.min(320, Drawing.measure(Legible.of(table.columns().get(c)), SIZE + 0.5));
      for (List<Cell> cells : table.rows()) {
        width = Math.clamp(Drawing.measure(Terminal.text(cells.get(c)), SIZE), width, 320);
      }
      double at = numeric ? x + width : x;
      String anchor = numeric ? "end" : "start";
      drawing.bold(
          at, top + 15, Drawing.cut(table.columns().get(c), SIZE, width + 8), anchor, SIZE, "ink");
      for (int r = 0; r < table.rows().size(); r++) {
        String text = Drawing.cut(Terminal.text(table.rows().get(r).get(c)), SIZE, width + 8);
        drawing.text(at, top + 15 + (r + 1) * row, text, anchor, SIZE, "ink");
      }
      x += width + 24;
    }
    for (int r = 0; r <= table.rows().size(); r++) {
      double y = top + (r + 1) * row - 1;
      drawing.line(left, y, Math.max(left + 40, x - 24), y, "hair", false);
    }
    drawing.extend(Math.max(left + 40, x - 24), top + (table.rows().size() + 1) * row);
  }

  private static void text(Drawing drawing, Text text, double left, double top) {
    double y = top;
    for (String paragraph : text.paragraphs()) {
      for (String line : Legible.wrap(Legible.of(paragraph), 100)) {
        y += 18;
        drawing.text(left, y, line, "start", 13, "ink");
        drawing.extend(left + Drawing.measure(line, 13), y + 4);
      }
      y += 8;
    }
    drawing.extend(left + 40, y);
  }
}
