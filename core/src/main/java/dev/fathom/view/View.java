package dev.fathom.view;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// One picture, described by what it shows. Every renderer is one exhaustive switch over these
/// kinds.
///
/// Each kind starts from a factory with what it cannot do without and adds the rest by `withX`
/// copies. Wherever a list of *details* occurs, it is lines of text for one mark (a cell, token or
/// point) that a reader gets on demand: by hovering in HTML, under the number in JSON.
public sealed interface View {
  /// What the picture shows, a few words.
  String title();

  /// The question it answers, one sentence; may be empty.
  String question();

  /// A matrix as coloured cells.
  ///
  /// @param values `[rows, columns]`; the axes' names and labels head the rows and columns; NaN is
  ///   a cell without a value
  /// @param scale how values become colours
  /// @param labels text in the cells, `[rows][columns]`, empty where a cell has none; or no rows,
  ///   and then the numbers themselves are written where there is room
  /// @param details lines for each cell, `[rows][columns]`, or no rows
  /// @param unscaled columns left out of the colour range, such as BOS or an attention sink; they
  ///   are still drawn, and marked
  /// @param rowsBottomUp whether row 0 is at the bottom, as layers are drawn
  record HeatMap(
      String title,
      String question,
      Grid values,
      Scale scale,
      List<List<String>> labels,
      List<List<List<String>>> details,
      Set<Integer> unscaled,
      boolean rowsBottomUp)
      implements View {
    public HeatMap {
      if (values.rank() != 2) {
        throw new IllegalArgumentException("a heat map needs a grid of two axes, found " + values);
      }
      labels = labels.stream().map(List::copyOf).toList();
      details = details.stream().map(row -> row.stream().map(List::copyOf).toList()).toList();
      unscaled = Collections.unmodifiableSet(new TreeSet<>(unscaled));
      requireShape("labels", values, labels);
      requireShape("details", values, details);
    }

    public static HeatMap of(String title, String question, Grid values, Scale scale) {
      return new HeatMap(title, question, values, scale, List.of(), List.of(), Set.of(), false);
    }

    public HeatMap withLabels(List<List<String>> labels) {
      return new HeatMap(title, question, values, scale, labels, details, unscaled, rowsBottomUp);
    }

    public HeatMap withDetails(List<List<List<String>>> details) {
      return new HeatMap(title, question, values, scale, labels, details, unscaled, rowsBottomUp);
    }

    /// The same picture with these columns left out of the colour range.
    public HeatMap withUnscaled(Set<Integer> columns) {
      return new HeatMap(title, question, values, scale, labels, details, columns, rowsBottomUp);
    }

    /// The same picture with the first column left out of the colour range, where there are others:
    /// many heads park their attention there.
    public HeatMap withUnscaledSink() {
      return withUnscaled(values.axis(1).size() > 1 ? Set.of(0) : Set.of());
    }

    /// The same picture with row 0 at the bottom.
    public HeatMap bottomUp() {
      return new HeatMap(title, question, values, scale, labels, details, unscaled, true);
    }

    public Axis rows() {
      return values.axis(0);
    }

    public Axis columns() {
      return values.axis(1);
    }

    /// The text in a cell, empty if it has none.
    public String label(int row, int column) {
      return labels.isEmpty() ? "" : labels.get(row).get(column);
    }

    public List<String> details(int row, int column) {
      return details.isEmpty() ? List.of() : details.get(row).get(column);
    }

    /// The scale with both ends known, from all columns that count.
    public Scale fitted() {
      var counted =
          IntStream.range(0, columns().size()).filter(c -> !unscaled.contains(c)).toArray();
      return scale.fit(
          IntStream.range(0, rows().size())
              .boxed()
              .flatMapToDouble(r -> IntStream.of(counted).mapToDouble(c -> values.at(r, c))));
    }

    private static void requireShape(String what, Grid values, List<? extends List<?>> rows) {
      boolean fits =
          rows.isEmpty()
              || (rows.size() == values.axis(0).size()
                  && rows.stream().allMatch(r -> r.size() == values.axis(1).size()));
      if (!fits) {
        throw new IllegalArgumentException(
            "%s of a heat map must be %d rows of %d, or none"
                .formatted(what, values.axis(0).size(), values.axis(1).size()));
      }
    }
  }

  /// Curves over one common x axis, in one panel or several below each other.
  ///
  /// @param x the points' x values, one axis; its name heads the x axis, its labels, if any, are
  ///   the ticks
  /// @param panels one for each unit
  /// @param marks vertical lines that name an x value
  record Lines(String title, String question, Grid x, List<Panel> panels, List<Mark> marks)
      implements View {
    public Lines {
      panels = List.copyOf(panels);
      marks = List.copyOf(marks);
      if (x.rank() != 1) {
        throw new IllegalArgumentException("x must have one axis, found " + x);
      }
      for (Panel panel : panels) {
        for (Series series : panel.series()) {
          if (series.values().size() != x.size()) {
            throw new IllegalArgumentException(
                "series %s has %d values for %d points"
                    .formatted(series.name(), series.values().size(), x.size()));
          }
        }
      }
    }

    /// Curves over the indices of an axis.
    public static Lines over(String title, String question, Axis axis, Panel... panels) {
      float[] x = new float[axis.size()];
      for (int i = 0; i < x.length; i++) {
        x[i] = i;
      }
      return new Lines(title, question, Grid.vector(axis, x), List.of(panels), List.of());
    }

    /// Curves over measured x values, such as training steps.
    public static Lines over(String title, String question, Grid x, Panel... panels) {
      return new Lines(title, question, x, List.of(panels), List.of());
    }

    public Lines withMarks(List<Mark> marks) {
      return new Lines(title, question, x, panels, marks);
    }
  }

  /// Curves of one unit.
  ///
  /// @param unit what the y axis measures
  /// @param logarithmic whether y is drawn by logarithm; values must then be positive to be seen,
  ///   and for ranks, whose best is 0, 1 is added
  /// @param series the curves
  record Panel(String unit, boolean logarithmic, List<Series> series) {
    public Panel {
      series = List.copyOf(series);
    }

    public static Panel of(String unit, Series... series) {
      return new Panel(unit, false, List.of(series));
    }

    public static Panel logarithmic(String unit, Series... series) {
      return new Panel(unit, true, List.of(series));
    }
  }

  /// One curve.
  ///
  /// @param values one for each point; NaN is a gap
  /// @param band low and high ends for each point, shaped `[2, points]`, or an empty list
  record Series(String name, Grid values, List<Grid> band) {
    public Series {
      band = List.copyOf(band);
      boolean fits =
          band.isEmpty()
              || (band.size() == 2 && band.stream().allMatch(b -> b.size() == values.size()));
      if (values.rank() != 1 || !fits) {
        throw new IllegalArgumentException(
            "series %s needs one axis, and no band or two of its size".formatted(name));
      }
    }

    public static Series of(String name, Grid values) {
      return new Series(name, values, List.of());
    }

    /// The same curve with an interval around each point.
    public Series within(Grid low, Grid high) {
      return new Series(name, values, List.of(low, high));
    }
  }

  /// A vertical line at an x value, with what it means.
  record Mark(double x, String label) {}

  /// A text, each token coloured by a value.
  record Tokens(String title, String question, List<Token> tokens, Scale scale) implements View {
    public Tokens {
      tokens = List.copyOf(tokens);
    }

    public Scale fitted() {
      return scale.fit(tokens.stream().mapToDouble(Token::value));
    }
  }

  /// One token of a strip.
  ///
  /// @param value what colours it, or NaN
  record Token(String text, double value, List<String> details) {
    public Token {
      details = List.copyOf(details);
    }

    public static Token of(String text, double value) {
      return new Token(text, value, List.of());
    }
  }

  /// Labelled values as bars, in the order given.
  ///
  /// @param unit what the values measure
  record Ranking(String title, String question, List<Item> items, String unit) implements View {
    public Ranking {
      items = List.copyOf(items);
    }
  }

  /// One bar.
  ///
  /// @param low lower end of its interval, NaN without one
  /// @param high upper end of its interval, NaN without one
  record Item(String label, double value, double low, double high, List<String> details) {
    public Item {
      details = List.copyOf(details);
    }

    public static Item of(String label, double value) {
      return new Item(label, value, Double.NaN, Double.NaN, List.of());
    }

    public Item within(double low, double high) {
      return new Item(label, value, low, high, details);
    }

    public Item withDetails(List<String> details) {
      return new Item(label, value, low, high, details);
    }
  }

  /// Points in a plane.
  ///
  /// @param xTitle what x measures, with its unit
  /// @param yTitle what y measures, with its unit
  /// @param diagonal whether to draw the line x = y, for "should be equal"
  /// @param frame the part of the plane that is shown, and with it all points in it; empty for that
  ///   of all points
  /// @param named labels that are written beside their points where there is room; none for all of
  ///   few points
  /// @param link a name that pictures beside each other share: a point that is pointed at shows
  ///   where those of its label are in the others; empty for none
  record Scatter(
      String title,
      String question,
      String xTitle,
      String yTitle,
      List<Point> points,
      boolean diagonal,
      Optional<Frame> frame,
      Set<String> named,
      String link)
      implements View {
    public Scatter {
      points = List.copyOf(points);
      named = Collections.unmodifiableSet(new LinkedHashSet<>(named));
    }

    public static Scatter of(
        String title, String question, String xTitle, String yTitle, List<Point> points) {
      return new Scatter(
          title, question, xTitle, yTitle, points, false, Optional.empty(), Set.of(), "");
    }

    public Scatter withDiagonal() {
      return new Scatter(title, question, xTitle, yTitle, points, true, frame, named, link);
    }

    public Scatter within(Frame part) {
      return new Scatter(
          title, question, xTitle, yTitle, points, diagonal, Optional.of(part), named, link);
    }

    public Scatter naming(Set<String> labels) {
      return new Scatter(title, question, xTitle, yTitle, points, diagonal, frame, labels, link);
    }

    public Scatter linkedBy(String name) {
      return new Scatter(title, question, xTitle, yTitle, points, diagonal, frame, named, name);
    }

    /// The groups in order of appearance, and last those without one, which are called `""`.
    public List<String> groups() {
      return Stream.concat(
              points.stream().map(Point::group).distinct().filter(group -> !group.isEmpty()),
              points.stream().map(Point::group).filter(String::isEmpty).limit(1))
          .toList();
    }

    /// The points in the frame.
    public List<Point> shown() {
      return frame
          .map(part -> points.stream().filter(point -> part.holds(point)).toList())
          .orElse(points);
    }
  }

  /// A rectangle of a plane.
  record Frame(double xLow, double xHigh, double yLow, double yHigh) {
    public Frame {
      if (!(xLow < xHigh && yLow < yHigh)) {
        throw new IllegalArgumentException(
            "a frame's ends are in order, found %s to %s and %s to %s"
                .formatted(xLow, xHigh, yLow, yHigh));
      }
    }

    boolean holds(Point point) {
      return point.x >= xLow && point.x <= xHigh && point.y >= yLow && point.y <= yHigh;
    }
  }

  /// One point.
  ///
  /// @param label its name, may be empty
  /// @param group what it belongs to and is coloured by; empty for none, which is drawn faintly
  ///   where others have one
  record Point(double x, double y, String label, String group, List<String> details) {
    public Point {
      details = List.copyOf(details);
    }

    public static Point of(double x, double y, String label, String group) {
      return new Point(x, y, label, group, List.of());
    }
  }

  /// A weighted directed graph whose nodes stand in columns, left to right.
  ///
  /// @param unit what the edges' weights measure
  record Flow(String title, String question, List<Node> nodes, List<Edge> edges, String unit)
      implements View {
    public Flow {
      nodes = List.copyOf(nodes);
      edges = List.copyOf(edges);
      for (Edge edge : edges) {
        if (Math.min(edge.from(), edge.to()) < 0
            || Math.max(edge.from(), edge.to()) >= nodes.size()) {
          throw new IllegalArgumentException(
              "edge %d to %d in a flow of %d nodes"
                  .formatted(edge.from(), edge.to(), nodes.size()));
        }
      }
    }
  }

  /// A node, and the column it stands in, from 0.
  record Node(String label, int column) {}

  /// An edge between two nodes, by their index.
  record Edge(int from, int to, double weight) {}

  /// Headed columns of text and numbers.
  ///
  /// @param columns the headings, with units
  /// @param rows cells, one for each column
  record Table(String title, String question, List<String> columns, List<List<Cell>> rows)
      implements View {
    public Table {
      columns = List.copyOf(columns);
      rows = rows.stream().map(List::copyOf).toList();
      for (List<Cell> row : rows) {
        if (row.size() != columns.size()) {
          throw new IllegalArgumentException(
              "a table of %d columns has a row of %d cells".formatted(columns.size(), row.size()));
        }
      }
    }
  }

  /// One entry of a table.
  sealed interface Cell {
    static Cell of(String text) {
      return new Words(text);
    }

    static Cell of(double value) {
      return new Quantity(value, Double.NaN, Double.NaN);
    }
  }

  /// Text in a table.
  record Words(String text) implements Cell {}

  /// A number in a table with its interval; the ends are NaN without one.
  record Quantity(double value, double low, double high) implements Cell {}

  /// Paragraphs.
  record Text(String title, String question, List<String> paragraphs) implements View {
    public Text {
      paragraphs = List.copyOf(paragraphs);
    }

    public static Text of(String title, String... paragraphs) {
      return new Text(title, "", List.of(paragraphs));
    }
  }

  /// A page of small heat maps on one colour scale, such as the attention pattern of every head.
  ///
  /// @param panels the heat maps; their own scales are ignored
  /// @param scale the common scale
  record SmallMultiples(String title, String question, List<HeatMap> panels, Scale scale)
      implements View {
    public SmallMultiples {
      panels = List.copyOf(panels);
    }

    /// The common scale with both ends known.
    public Scale fitted() {
      return scale.fit(panels.stream().flatMapToDouble(SmallMultiples::counted));
    }

    private static DoubleStream counted(HeatMap panel) {
      var values = new ArrayList<Double>();
      for (int r = 0; r < panel.rows().size(); r++) {
        for (int c = 0; c < panel.columns().size(); c++) {
          if (!panel.unscaled().contains(c)) {
            values.add(panel.values().at(r, c));
          }
        }
      }
      return values.stream().mapToDouble(Double::doubleValue);
    }
  }
}
