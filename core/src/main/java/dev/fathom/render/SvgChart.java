package dev.fathom.render;

import dev.fathom.view.Grid;
import dev.fathom.view.View.Lines;
import dev.fathom.view.View.Mark;
import dev.fathom.view.View.Panel;
import dev.fathom.view.View.Point;
import dev.fathom.view.View.Scatter;
import dev.fathom.view.View.Series;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// Draws curves and points as SVG.
final class SvgChart {
  private static final double PANEL = 200;
  private static final double GUTTER = 56;
  private static final double SMALL = 11;
  private static final int MOST_DOTS = 400;

  /// More points than this are named on demand only.
  private static final int MOST_LABELS = 24;

  /// The side of a scatter that stands beside another.
  private static final double BESIDE = 360;

  private static final int NO_GROUP = -1;

  private final Drawing drawing;
  private final Span x;
  private final Span y;
  private final double left;
  private final double top;
  private final double width;
  private final double height;

  private SvgChart(
      Drawing drawing, Span x, Span y, double left, double top, double width, double height) {
    this.drawing = drawing;
    this.x = x;
    this.y = y;
    this.left = left;
    this.top = top;
    this.width = width;
    this.height = height;
  }

  static void draw(Drawing drawing, Lines lines, double left, double top) {
    Span x = Span.of(IntStream.range(0, lines.x().size()).mapToDouble(i -> lines.x().at(i)));
    double at = top;
    for (Panel panel : lines.panels()) {
      double legend = legend(drawing, panel, left + GUTTER, at);
      double plotTop = at + legend;
      double width = Svg.WIDTH - GUTTER - 10;
      var chart = new SvgChart(drawing, x, Span.of(panel), left + GUTTER, plotTop, width, PANEL);
      chart.frame(panel.unit() + chart.y.note());
      chart.ticks(lines.x());
      for (Mark mark : lines.marks()) {
        chart.mark(mark);
      }
      for (int s = 0; s < panel.series().size(); s++) {
        chart.curve(lines.x(), panel.series().get(s), "g" + s % 7, panel.unit());
      }
      String name = lines.x().axis(0).name();
      drawing.text(left + GUTTER + width / 2, plotTop + PANEL + 34, name, "middle", SMALL, "soft");
      at = plotTop + PANEL + 52;
    }
    drawing.extend(left + Svg.WIDTH, at - 10);
  }

  /// The series' names in their colours; returns the height taken.
  private static double legend(Drawing drawing, Panel panel, double left, double top) {
    double x = left;
    double y = top + 12;
    for (int s = 0; s < panel.series().size(); s++) {
      String name = Drawing.cut(panel.series().get(s).name().strip(), Svg.SIZE, 260);
      double width = Drawing.measure(name, Svg.SIZE) + 34;
      if (x + width > left + Svg.WIDTH - GUTTER && x > left) {
        x = left;
        y += 18;
      }
      drawing.rect(x, y - 6, 14, 3, "g" + s % 7, List.of());
      drawing.text(x + 20, y, name, "start", Svg.SIZE, "ink");
      x += width + 6;
    }
    return y - top + 12;
  }

  static void draw(Drawing drawing, Scatter scatter, double left, double top) {
    Span x = across(scatter);
    Span y = up(scatter);
    if (scatter.diagonal()) {
      x = new Span(Math.min(x.low(), y.low()), Math.max(x.high(), y.high()), false, 0);
      y = x;
    }
    boolean linked = !scatter.link().isEmpty();
    double width = scatter.diagonal() ? 420 : linked ? BESIDE : 620;
    double height = linked ? BESIDE : 420;
    List<String> groups = scatter.groups();
    double plotTop = legend(drawing, groups, left + GUTTER, top, width);
    var chart = new SvgChart(drawing, x, y, left + GUTTER, plotTop, width, height);
    chart.frame(scatter.yTitle());
    chart.ticks();
    if (scatter.diagonal()) {
      drawing.line(chart.left, chart.top + height, chart.left + width, chart.top, "soft", true);
    }
    List<Point> shown = scatter.shown();
    for (Point point : groupless(shown, groups)) { // below the others
      chart.point(scatter, point, NO_GROUP, linked);
    }
    for (Point point : shown) {
      int group = groups.indexOf(point.group());
      if (!point.group().isEmpty() || groups.size() == 1) {
        chart.point(scatter, point, group, linked);
      }
    }
    if (!scatter.named().isEmpty()) {
      chart.labels(shown.stream().filter(p -> scatter.named().contains(p.label())).toList(), shown);
    } else if (shown.size() <= MOST_LABELS) {
      chart.labels(shown, shown);
    }
    drawing.text(
        chart.left + width / 2, plotTop + height + 34, scatter.xTitle(), "middle", SMALL, "soft");
    drawing.extend(chart.left + width + 10, plotTop + height + 42);
  }

  /// What the x axis of a scatter shows.
  static Span across(Scatter scatter) {
    return scatter
        .frame()
        .map(frame -> new Span(frame.xLow(), frame.xHigh(), false, 0))
        .orElseGet(
            () -> widened(scatter, Span.of(scatter.points().stream().mapToDouble(Point::x))));
  }

  /// What the y axis of a scatter shows.
  static Span up(Scatter scatter) {
    return scatter
        .frame()
        .map(frame -> new Span(frame.yLow(), frame.yHigh(), false, 0))
        .orElseGet(
            () -> widened(scatter, Span.of(scatter.points().stream().mapToDouble(Point::y))));
  }

  private static Span widened(Scatter scatter, Span span) {
    return scatter.diagonal() ? span : span.widened(0.05);
  }

  /// The points without a group where others have one.
  private static List<Point> groupless(List<Point> points, List<String> groups) {
    return groups.size() == 1
        ? List.of()
        : points.stream().filter(p -> p.group().isEmpty()).toList();
  }

  /// The groups' names beside their marks; returns where the plot begins.
  private static double legend(
      Drawing drawing, List<String> groups, double left, double top, double width) {
    double x = left;
    double y = top + 12;
    for (int g = 0; g < groups.size(); g++) {
      if (groups.get(g).isEmpty()) {
        continue;
      }
      String name = Drawing.cut(groups.get(g), Svg.SIZE, 200);
      double w = Drawing.measure(name, Svg.SIZE) + 30;
      if (x + w > left + width && x > left) {
        x = left;
        y += 18;
      }
      mark(drawing, x + 5, y - 4, 4, g, List.of());
      drawing.text(x + 14, y, name, "start", Svg.SIZE, "ink");
      x += w;
    }
    return y + 14;
  }

  private void point(Scatter scatter, Point point, int group, boolean linked) {
    double px = px(point.x());
    double py = py(point.y());
    if (!Double.isFinite(px) || !Double.isFinite(py)) {
      return;
    }
    double radius = scatter.points().size() > 1000 ? 2 : 3.5;
    var tip = new ArrayList<String>();
    tip.add(point.label() + (point.group().isEmpty() ? "" : " (" + point.group() + ")"));
    tip.add(
        "%s %s, %s %s"
            .formatted(
                scatter.xTitle(),
                Numbers.format(point.x()),
                scatter.yTitle(),
                Numbers.format(point.y())));
    tip.addAll(point.details());
    if (linked) {
      drawing.open(scatter.link() + "/" + point.label(), point.label());
    }
    mark(drawing, px, py, radius, group, tip);
    if (linked) {
      drawing.close();
    }
  }

  /// The names of points beside them, those of points in one place together: on the right, or where
  /// else they cover fewer points; those without room beside other names are left to be asked for.
  private void labels(List<Point> points, List<Point> shown) {
    var places = new LinkedHashMap<String, List<Point>>();
    for (Point point : points) {
      if (Double.isFinite(px(point.x())) && Double.isFinite(py(point.y()))) {
        String place = Drawing.n(px(point.x())) + " " + Drawing.n(py(point.y()));
        places.computeIfAbsent(place, _ -> new ArrayList<>()).add(point);
      }
    }
    List<Place> marks =
        shown.stream().limit(MOST_DOTS).map(p -> Place.of(px(p.x()), py(p.y()))).toList();
    var taken = new ArrayList<Place>();
    for (List<Point> together : places.values()) {
      double x = px(together.getFirst().x());
      double y = py(together.getFirst().y());
      String name =
          Drawing.cut(
              Legible.label(String.join(", ", together.stream().map(Point::label).toList())),
              SMALL,
              220);
      double wide = Drawing.measure(name, SMALL);
      boolean atEnd = x > left + width * 0.75;
      var right = new Place(x + 8, y + 4, "start", wide);
      var before = new Place(x - 8, y + 4, "end", wide);
      Stream.of(
              atEnd ? before : right,
              new Place(x, y - 7, "middle", wide),
              new Place(x, y + 15, "middle", wide),
              atEnd ? right : before)
          .filter(place -> place.within(left, left + width + 10))
          .filter(place -> taken.stream().noneMatch(place::touches))
          .min(Comparator.comparingLong(place -> marks.stream().filter(place::touches).count()))
          .ifPresent(place -> {
            taken.add(place);
            drawing.text(place.x, place.y, name, place.anchor, SMALL, "soft");
          });
    }
  }

  /// Where a name may stand, y its base line.
  private record Place(double x, double y, String anchor, double wide) {
    /// What a mark takes.
    static Place of(double x, double y) {
      return new Place(x, y + 4, "middle", 8);
    }

    double from() {
      return anchor.equals("start") ? x : anchor.equals("end") ? x - wide : x - wide / 2;
    }

    boolean within(double low, double high) {
      return from() >= low - GUTTER && from() + wide <= high;
    }

    boolean touches(Place other) {
      return from() < other.from() + other.wide
          && other.from() < from() + wide
          && Math.abs(y - other.y) < SMALL;
    }
  }

  /// The groups beyond the colours are drawn as rings, and those beyond these as squares and
  /// diamonds.
  private static void mark(
      Drawing drawing, double x, double y, double radius, int group, List<String> tip) {
    if (group == NO_GROUP) {
      drawing.circle(x, y, 0.7 * radius, "hair", tip);
      return;
    }
    String paint = "g" + group % 7;
    switch (group / 7 % 4) {
      case 0 -> drawing.circle(x, y, radius, paint, tip);
      case 1 -> drawing.ring(x, y, radius, paint, tip);
      case 2 -> drawing.rect(x - radius, y - radius, 2 * radius, 2 * radius, paint, tip);
      default -> drawing.diamond(x, y, 1.3 * radius, paint, tip);
    }
  }

  private double px(double value) {
    return left + x.position(value) * width;
  }

  private double py(double value) {
    return top + (1 - y.position(value)) * height;
  }

  private void frame(String title) {
    for (double tick : y.ticks(5)) {
      double at = py(tick);
      if (at >= top - 1 && at <= top + height + 1) {
        drawing.line(left, at, left + width, at, "hair", false);
        drawing.text(left - 8, at + 4, Numbers.format(tick), "end", SMALL, "soft");
      }
    }
    drawing.line(left, top + height, left + width, top + height, "soft", false);
    drawing.upwards(left - GUTTER + 10, top + height / 2, title, SMALL, "soft");
  }

  private void ticks() {
    for (double tick : x.ticks(8)) {
      drawing.text(px(tick), top + height + 16, Numbers.format(tick), "middle", SMALL, "soft");
      drawing.line(px(tick), top + height, px(tick), top + height + 4, "soft", false);
    }
  }

  /// Ticks at the points of a named axis, as many as have room; round numbers otherwise.
  private void ticks(Grid xs) {
    if (xs.axis(0).labels().isEmpty()) {
      ticks();
      return;
    }
    double free = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < xs.size(); i++) {
      String label = Drawing.cut(Legible.label(xs.axis(0).label(i)), SMALL, 80);
      double half = Drawing.measure(label, SMALL) / 2;
      double at = px(xs.at(i));
      if (at - half > free + 6) {
        drawing.text(at, top + height + 16, label, "middle", SMALL, "soft");
        drawing.line(at, top + height, at, top + height + 4, "soft", false);
        free = at + half;
      }
    }
  }

  private void mark(Mark mark) {
    double at = px(mark.x());
    if (at >= left - 1 && at <= left + width + 1) {
      drawing.line(at, top, at, top + height, "soft", true);
      boolean right = at > left + width * 0.8;
      drawing.text(
          at + (right ? -5 : 5),
          top + 12,
          Drawing.cut(mark.label(), SMALL, 160),
          right ? "end" : "start",
          SMALL,
          "soft");
    }
  }

  private void curve(Grid xs, Series series, String paint, String unit) {
    if (!series.band().isEmpty()) {
      band(xs, series, paint);
    }
    var path = new StringBuilder();
    boolean drawn = false;
    for (int i = 0; i < xs.size(); i++) {
      double px = px(xs.at(i));
      double py = py(series.values().at(i));
      if (Double.isFinite(px) && Double.isFinite(py)) {
        path.append(drawn ? "L" : "M").append(Drawing.n(px)).append(' ').append(Drawing.n(py));
        drawn = true;
      } else {
        drawn = false;
      }
    }
    if (!path.isEmpty()) {
      drawing.stroke(path.toString(), paint, 2, 1, List.of());
    }
    int every = Math.max(1, Math.ceilDiv(xs.size(), MOST_DOTS));
    for (int i = 0; i < xs.size(); i += every) {
      double px = px(xs.at(i));
      double py = py(series.values().at(i));
      if (Double.isFinite(px) && Double.isFinite(py)) {
        drawing.circle(px, py, xs.size() > 80 ? 2 : 3, paint, tip(xs, series, i, unit));
      }
    }
  }

  private static List<String> tip(Grid xs, Series series, int i, String unit) {
    String where = xs.axis(0).labels().isEmpty() ? Numbers.format(xs.at(i)) : xs.axis(0).label(i);
    var lines = new ArrayList<String>();
    lines.add(series.name() + ", " + xs.axis(0).name() + " " + where);
    lines.add(
        (series.band().isEmpty()
                ? Numbers.format(series.values().at(i))
                : Terminal.quantity(
                    series.values().at(i), series.band().get(0).at(i), series.band().get(1).at(i)))
            + " "
            + unit);
    return lines;
  }

  private void band(Grid xs, Series series, String paint) {
    var path = new StringBuilder();
    Grid low = series.band().get(0);
    Grid high = series.band().get(1);
    var forth = new ArrayList<String>();
    var back = new ArrayList<String>();
    for (int i = 0; i < xs.size(); i++) {
      double px = px(xs.at(i));
      double a = py(low.at(i));
      double b = py(high.at(i));
      if (Double.isFinite(px) && Double.isFinite(a) && Double.isFinite(b)) {
        forth.add(Drawing.n(px) + " " + Drawing.n(b));
        back.add(Drawing.n(px) + " " + Drawing.n(a));
      }
    }
    if (forth.size() > 1) {
      path.append('M').append(String.join("L", forth));
      path.append('L').append(String.join("L", back.reversed())).append('Z');
      drawing.fill(path.toString(), paint, 0.18);
    }
  }
}
