package dev.fathom.render;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.View.Lines;
import dev.fathom.view.View.Mark;
import dev.fathom.view.View.Panel;
import dev.fathom.view.View.Point;
import dev.fathom.view.View.Scatter;
import dev.fathom.view.View.Series;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/// Draws curves and points as characters on a field.
final class TerminalChart {
  private static final int HEIGHT = 10;
  private static final int LABEL = 8;
  private static final int NO_COLOR = -1;
  private static final String NONE = "·"; // a point without a group among others
  private static final int MOST_GROUPS = 20;

  private final Pen pen;
  private final int width;
  private final int height;
  private final String[][] glyphs;
  private final int[][] groups;

  private TerminalChart(Pen pen, int width, int height) {
    this.pen = pen;
    this.width = width;
    this.height = height;
    this.glyphs = new String[height][width];
    this.groups = new int[height][width];
    for (int y = 0; y < height; y++) {
      Arrays.fill(glyphs[y], " ");
      Arrays.fill(groups[y], NO_COLOR);
    }
  }

  static void draw(Pen pen, Lines lines) {
    if (lines.x().size() == 0) {
      pen.line("(no points)");
      return;
    }
    Span x = Span.of(IntStream.range(0, lines.x().size()).mapToDouble(i -> lines.x().at(i)));
    for (int p = 0; p < lines.panels().size(); p++) {
      if (p > 0) {
        pen.blank();
      }
      panel(pen, lines, lines.panels().get(p), x);
    }
  }

  private static void panel(Pen pen, Lines lines, Panel panel, Span x) {
    Span y = Span.of(panel);
    var chart = new TerminalChart(pen, Math.max(10, pen.width() - LABEL - 3), HEIGHT);
    for (Mark mark : lines.marks()) {
      chart.vertical(x.position(mark.x()));
    }
    for (int s = 0; s < panel.series().size(); s++) {
      chart.curve(lines.x(), panel.series().get(s), x, y, s);
    }
    pen.line(pen.faint(Legible.cut(Legible.of(panel.unit()) + y.note(), pen.width(), "…")));
    chart.write(y);
    chart.writeTicks(lines.x(), x);
    pen.line(
        " ".repeat(LABEL + 2)
            + pen.faint(Legible.cut(Legible.of(lines.x().axis(0).name()), chart.width, "…")));
    for (int s = 0; s < panel.series().size(); s++) {
      Series series = panel.series().get(s);
      String mark = marker(pen, s);
      for (String line :
          Legible.wrap(
              Legible.of(series.name()) + ": " + extent(lines.x(), series), pen.width() - 2)) {
        pen.line((mark.isEmpty() ? " " : color(pen, s, mark)) + " " + line);
        mark = "";
      }
    }
    for (Mark mark : lines.marks()) {
      pen.words(pen.either("┊", "|") + " " + mark.label() + " at " + tick(lines.x(), mark.x()), "");
    }
  }

  /// First, last, least and greatest value, so that the chart is never the only source.
  private static String extent(Grid x, Series series) {
    int first = -1;
    int last = -1;
    int least = -1;
    int greatest = -1;
    for (int i = 0; i < series.values().size(); i++) {
      double v = series.values().at(i);
      if (Double.isFinite(v)) {
        first = first < 0 ? i : first;
        last = i;
        least = least < 0 || v < series.values().at(least) ? i : least;
        greatest = greatest < 0 || v > series.values().at(greatest) ? i : greatest;
      }
    }
    if (first < 0) {
      return "no values";
    }
    var text = new StringBuilder(at(x, series, first));
    if (last != first) {
      text.append(" → ").append(at(x, series, last));
    }
    if (least != first && least != last) {
      text.append("; least ").append(at(x, series, least));
    }
    if (greatest != first && greatest != last) {
      text.append("; greatest ").append(at(x, series, greatest));
    }
    return text.toString();
  }

  private static String at(Grid x, Series series, int i) {
    return Numbers.format(series.values().at(i)) + " at " + tick(x, x.at(i));
  }

  /// The label of an x value: that of the point there, or the number.
  private static String tick(Grid x, double value) {
    for (int i = 0; i < x.size() && !x.axis(0).labels().isEmpty(); i++) {
      if (x.at(i) == value) {
        return Legible.label(x.axis(0).label(i));
      }
    }
    return Numbers.format(value);
  }

  static void draw(Pen pen, Scatter scatter) {
    List<Point> shown = scatter.shown();
    if (shown.isEmpty()) {
      pen.line("(no points)");
      return;
    }
    Span x = span(scatter.frame().map(f -> List.of(f.xLow(), f.xHigh())), shown, Point::x);
    Span y = span(scatter.frame().map(f -> List.of(f.yLow(), f.yHigh())), shown, Point::y);
    if (scatter.diagonal()) {
      x = new Span(Math.min(x.low(), y.low()), Math.max(x.high(), y.high()), false, 0);
      y = x;
    }
    var chart = new TerminalChart(pen, Math.max(10, pen.width() - LABEL - 3), 2 * HEIGHT);
    if (scatter.diagonal()) {
      for (int c = 0; c < chart.width; c++) {
        double at = (double) c / (chart.width - 1);
        chart.put(at, at, "·", NO_COLOR);
      }
    }
    List<String> groups = scatter.groups();
    chart.points(shown, groups, x, y);
    pen.line(pen.faint(Legible.cut(Legible.of(scatter.yTitle()), pen.width(), "…")));
    chart.write(y);
    chart.writeTicks(Grid.vector(Axis.index("x", 0)), x);
    pen.line(
        " ".repeat(LABEL + 2)
            + pen.faint(Legible.cut(Legible.of(scatter.xTitle()), chart.width, "…")));
    for (int g = 0; g < groups.size() && g < MOST_GROUPS; g++) {
      String group = groups.get(g);
      long count = shown.stream().filter(p -> p.group().equals(group)).count();
      String name = !group.isEmpty() ? Legible.of(group) : groups.size() == 1 ? "points" : "others";
      boolean none = group.isEmpty() && groups.size() > 1;
      pen.line(
          (none ? pen.faint(NONE) : color(pen, g, marker(pen, g)))
              + " "
              + Legible.cut(name + " (" + count + ")", pen.width() - 2, "…"));
    }
    if (scatter.diagonal()) {
      pen.aside("· where both are equal");
    }
  }

  private static Span span(
      Optional<List<Double>> ends, List<Point> points, ToDoubleFunction<Point> coordinate) {
    return ends.map(e -> new Span(e.getFirst(), e.getLast(), false, 0))
        .orElseGet(() -> Span.of(points.stream().mapToDouble(coordinate)));
  }

  /// Each place shows the group with the most points there, of equals the earlier one; a point
  /// without a group only where there is no other.
  private void points(List<Point> points, List<String> groups, Span x, Span y) {
    int[][][] counts = new int[height][width][];
    int named = groups.size() > 1 && groups.getLast().isEmpty() ? groups.size() - 1 : groups.size();
    for (Point point : points) {
      double px = x.position(point.x());
      double py = y.position(point.y());
      if (Double.isNaN(px) || Double.isNaN(py)) {
        continue;
      }
      int[][] row = counts[row(py)];
      int column = column(px);
      if (row[column] == null) {
        row[column] = new int[groups.size()];
      }
      int[] here = row[column];
      here[groups.indexOf(point.group())]++;
      int most = 0;
      for (int g = 1; g < named; g++) {
        most = here[g] > here[most] ? g : most;
      }
      boolean none = here[most] == 0; // then only those without a group are here
      put(px, py, none ? NONE : marker(pen, most), none ? NO_COLOR : most);
    }
  }

  private static String marker(Pen pen, int group) {
    String marks = pen.either("●▲■◆○△□◇", "o^#*+x%@");
    return marks.substring(group % marks.length(), group % marks.length() + 1);
  }

  private static String color(Pen pen, int group, String text) {
    List<Rgb> colors = Palette.groups(Theme.DARK);
    return group == NO_COLOR ? pen.faint(text) : pen.in(colors.get(group % colors.size()), text);
  }

  private void curve(Grid x, Series series, Span across, Span up, int group) {
    double lastX = Double.NaN;
    double lastY = Double.NaN;
    for (int i = 0; i < x.size(); i++) {
      double px = across.position(x.at(i));
      double py = up.position(series.values().at(i));
      if (!Double.isNaN(lastX) && !Double.isNaN(px) && !Double.isNaN(lastY) && !Double.isNaN(py)) {
        int from = column(lastX);
        int to = column(px);
        for (int c = from + 1; c < to; c++) {
          double t = (double) (c - from) / (to - from);
          putIfFree((double) c / (width - 1), lastY + t * (py - lastY), group);
        }
      }
      lastX = px;
      lastY = py;
    }
    for (int i = 0; i < x.size(); i++) {
      put(across.position(x.at(i)), up.position(series.values().at(i)), marker(pen, group), group);
    }
  }

  private int column(double position) {
    return (int) Math.round(Math.clamp(position, 0, 1) * (width - 1));
  }

  private int row(double position) {
    return height - 1 - (int) Math.round(Math.clamp(position, 0, 1) * (height - 1));
  }

  private void put(double px, double py, String glyph, int group) {
    if (!Double.isNaN(px) && !Double.isNaN(py)) {
      glyphs[row(py)][column(px)] = glyph;
      groups[row(py)][column(px)] = group;
    }
  }

  private void putIfFree(double px, double py, int group) {
    if (glyphs[row(py)][column(px)].equals(" ")) {
      put(px, py, "·", group);
    }
  }

  private void vertical(double px) {
    for (int y = 0; y < height && px >= 0 && px <= 1; y++) {
      glyphs[y][column(px)] = pen.either("┊", "|");
    }
  }

  private void write(Span y) {
    var labels = new ArrayList<String>();
    for (int r = 0; r < height; r++) {
      labels.add("");
    }
    for (double tick : y.ticks(4)) {
      double position = y.position(tick);
      if (position >= 0 && position <= 1) {
        labels.set(row(position), Numbers.fit(tick, LABEL));
      }
    }
    for (int r = 0; r < height; r++) {
      var line = new StringBuilder();
      String axis = labels.get(r).isEmpty() ? pen.either("│", "|") : pen.either("┤", "+");
      line.append(pen.faint(Legible.padLeft(labels.get(r), LABEL) + " " + axis));
      for (int c = 0; c < width; c++) {
        boolean blank = glyphs[r][c].equals(" ");
        line.append(blank ? " " : color(pen, groups[r][c], glyphs[r][c]));
      }
      pen.line(line.toString());
    }
  }

  private void writeTicks(Grid x, Span span) {
    pen.line(
        pen.faint(
            " ".repeat(LABEL + 1) + pen.either("└", "+") + pen.either("─", "-").repeat(width)));
    boolean named = !x.axis(0).labels().isEmpty();
    List<Double> all =
        named
            ? IntStream.range(0, x.size()).mapToObj(x::at).toList()
            : span.ticks(Math.max(2, width / 10));
    String line = "";
    for (int every : new int[] {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}) {
      line = ticks(x, span, all, every);
      if (!line.isEmpty()) {
        break;
      }
    }
    pen.line(pen.faint(line));
  }

  /// The labels of every so many ticks and, where there is room for it, the last one's, their
  /// middles below the ticks; empty if labels would touch.
  private String ticks(Grid x, Span span, List<Double> all, int every) {
    var line = new StringBuilder();
    int last = all.size() - 1;
    for (int i = 0; i <= last; i += i < last && i + every > last ? last - i : every) {
      String text = Legible.cut(tick(x, all.get(i)), 12, "…");
      int length = Legible.width(text);
      int middle = LABEL + 2 + column(span.position(all.get(i)));
      int at = Math.min(middle - (length - 1) / 2, pen.width() - length);
      int used = Legible.width(line.toString());
      if (at < used + (used > 0 ? 1 : 0)) {
        if (i == last && i % every != 0) {
          break;
        }
        return "";
      }
      line.append(" ".repeat(at - used)).append(text);
    }
    return line.toString();
  }
}
