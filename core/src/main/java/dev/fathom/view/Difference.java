package dev.fathom.view;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;

/// The difference of two results of one method as pictures and arrays: always the second less the
/// first, `B − A`. Works on any method's pictures, as long as both sides have the same axes; what
/// has no difference (text, a graph, maps of other sizes) is left out.
///
/// ```java
/// List<View> pictures = Difference.views(before.views(), after.views());
/// ```
public final class Difference {
  private Difference() {}

  /// The differences of pictures with equal titles, in order.
  public static List<View> views(List<View> a, List<View> b) {
    var differences = new ArrayList<View>();
    var left = new ArrayList<>(b);
    for (View first : a) {
      for (View second : left) {
        if (alike(first, second)) {
          left.remove(second);
          view(first, second).ifPresent(differences::add);
          break;
        }
      }
    }
    return differences;
  }

  private static boolean alike(View a, View b) {
    return a.getClass() == b.getClass() && a.title().equals(b.title());
  }

  /// The difference of two pictures; empty where there is none to draw.
  public static Optional<View> view(View a, View b) {
    return switch (a) {
      case View.HeatMap x when b instanceof View.HeatMap y -> heatMap(x, y).map(View.class::cast);
      case View.SmallMultiples x when b instanceof View.SmallMultiples y -> multiples(x, y);
      case View.Lines x when b instanceof View.Lines y -> lines(x, y);
      case View.Tokens x when b instanceof View.Tokens y -> tokens(x, y);
      case View.Ranking x when b instanceof View.Ranking y -> ranking(x, y);
      case View.Table x when b instanceof View.Table y -> table(x, y);
      case View.HeatMap _,
          View.SmallMultiples _,
          View.Lines _,
          View.Tokens _,
          View.Ranking _,
          View.Table _,
          View.Scatter _,
          View.Flow _,
          View.Text _ ->
          Optional.empty();
    };
  }

  /// `B − A` of grids with the same axes but for their labels; empty for other grids and for ids,
  /// which are names and not amounts.
  public static Optional<Grid> grid(Grid a, Grid b) {
    if (!sameShape(a, b)) {
      return Optional.empty();
    }
    if (a.isInteger()) {
      long[] values = b.integers();
      long[] first = a.integers();
      for (int i = 0; i < values.length; i++) {
        values[i] -= first[i];
      }
      return Optional.of(Grid.integer(a.axes(), values));
    }
    return Optional.of(real(a, b));
  }

  /// The differences of arrays with equal names and axes, as `difference_NAME`; those of ids
  /// (`…_id`) are left out.
  public static SequencedMap<String, Grid> arrays(Map<String, Grid> a, Map<String, Grid> b) {
    var differences = new LinkedHashMap<String, Grid>();
    a.forEach((name, first) -> {
      Grid second = b.get(name);
      if (second != null && !name.endsWith("_id")) {
        grid(first, second)
            .ifPresent(difference -> differences.put("difference_" + name, difference));
      }
    });
    return differences;
  }

  /// The largest magnitude, 0 without any number.
  public static double largest(Grid difference) {
    double largest = 0;
    if (difference.isInteger()) {
      for (long value : difference.integers()) {
        largest = Math.max(largest, Math.abs((double) value));
      }
    } else {
      for (float value : difference.values()) {
        largest = Double.isNaN(value) ? largest : Math.max(largest, Math.abs(value));
      }
    }
    return largest;
  }

  private static boolean sameShape(Grid a, Grid b) {
    boolean same = a.rank() == b.rank() && a.isInteger() == b.isInteger();
    for (int i = 0; same && i < a.rank(); i++) {
      same = a.axis(i).name().equals(b.axis(i).name()) && a.axis(i).size() == b.axis(i).size();
    }
    return same;
  }

  /// As floats, whatever they were.
  private static Grid real(Grid a, Grid b) {
    float[] first = floats(a);
    float[] values = floats(b);
    for (int i = 0; i < values.length; i++) {
      values[i] -= first[i];
    }
    return Grid.real(a.axes(), values);
  }

  private static float[] floats(Grid grid) {
    if (!grid.isInteger()) {
      return grid.values();
    }
    long[] integers = grid.integers();
    float[] values = new float[integers.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = integers[i];
    }
    return values;
  }

  private static String title(View view) {
    return view.title() + ", B − A";
  }

  private static Optional<View.HeatMap> heatMap(View.HeatMap a, View.HeatMap b) {
    if (!sameShape(a.values(), b.values())) {
      return Optional.empty();
    }
    var details = new ArrayList<List<List<String>>>();
    for (int row = 0; row < a.rows().size(); row++) {
      var cells = new ArrayList<List<String>>();
      for (int column = 0; column < a.columns().size(); column++) {
        cells.add(
            List.of(
                "A " + number(a.values().at(row, column)) + " " + a.label(row, column).strip(),
                "B " + number(b.values().at(row, column)) + " " + b.label(row, column).strip()));
      }
      details.add(cells);
    }
    var map =
        View.HeatMap.of(
                title(a),
                a.question(),
                real(a.values(), b.values()),
                Scale.diverging(a.scale().unit()))
            .withDetails(details)
            .withUnscaled(a.unscaled());
    return Optional.of(a.rowsBottomUp() ? map.bottomUp() : map);
  }

  private static Optional<View> multiples(View.SmallMultiples a, View.SmallMultiples b) {
    var panels = new ArrayList<View.HeatMap>();
    for (int i = 0; i < Math.min(a.panels().size(), b.panels().size()); i++) {
      if (a.panels().get(i).title().equals(b.panels().get(i).title())) {
        heatMap(a.panels().get(i), b.panels().get(i)).ifPresent(panels::add);
      }
    }
    return panels.size() == a.panels().size() && panels.size() == b.panels().size()
        ? Optional.of(
            new View.SmallMultiples(
                title(a), a.question(), panels, Scale.diverging(a.scale().unit())))
        : Optional.empty();
  }

  /// Both sides in each panel, and below it their difference, where it is not of logarithms.
  private static Optional<View> lines(View.Lines a, View.Lines b) {
    if (!sameShape(a.x(), b.x())
        || !Arrays.equals(floats(a.x()), floats(b.x()))
        || a.panels().size() != b.panels().size()) {
      return Optional.empty();
    }
    var panels = new ArrayList<View.Panel>();
    for (int i = 0; i < a.panels().size(); i++) {
      View.Panel first = a.panels().get(i);
      View.Panel second = b.panels().get(i);
      if (first.series().size() != second.series().size()) {
        return Optional.empty();
      }
      var both = new ArrayList<View.Series>();
      var differences = new ArrayList<View.Series>();
      for (int s = 0; s < first.series().size(); s++) {
        View.Series x = first.series().get(s);
        View.Series y = second.series().get(s);
        both.add(View.Series.of("A: " + x.name(), x.values()));
        both.add(View.Series.of("B: " + y.name(), y.values()));
        if (x.values().isInteger() == y.values().isInteger()) {
          differences.add(View.Series.of("B − A: " + x.name(), real(x.values(), y.values())));
        }
      }
      panels.add(new View.Panel(first.unit(), first.logarithmic(), both));
      if (!first.logarithmic()) {
        panels.add(new View.Panel(first.unit() + ", B − A", false, differences));
      }
    }
    return Optional.of(new View.Lines(title(a), a.question(), a.x(), panels, a.marks()));
  }

  private static Optional<View> tokens(View.Tokens a, View.Tokens b) {
    if (a.tokens().size() != b.tokens().size()) {
      return Optional.empty();
    }
    var tokens = new ArrayList<View.Token>();
    for (int i = 0; i < a.tokens().size(); i++) {
      View.Token x = a.tokens().get(i);
      View.Token y = b.tokens().get(i);
      tokens.add(
          new View.Token(
              x.text(),
              y.value() - x.value(),
              List.of("A " + number(x.value()), "B " + number(y.value()))));
    }
    return Optional.of(
        new View.Tokens(title(a), a.question(), tokens, Scale.diverging(a.scale().unit())));
  }

  /// Bars of labels that both have, in the first one's order.
  private static Optional<View> ranking(View.Ranking a, View.Ranking b) {
    Map<String, Double> second = new LinkedHashMap<>();
    b.items().forEach(item -> second.putIfAbsent(item.label(), item.value()));
    var items = new ArrayList<View.Item>();
    for (View.Item item : a.items()) {
      Double value = second.get(item.label());
      if (value != null) {
        items.add(
            View.Item.of(item.label(), value - item.value())
                .withDetails(List.of("A " + number(item.value()), "B " + number(value))));
      }
    }
    return items.isEmpty()
        ? Optional.empty()
        : Optional.of(new View.Ranking(title(a), a.question(), items, a.unit()));
  }

  /// Both rows below each other, where the first cells agree.
  private static Optional<View> table(View.Table a, View.Table b) {
    if (!a.columns().equals(b.columns()) || a.rows().size() != b.rows().size()) {
      return Optional.empty();
    }
    var columns = new ArrayList<>(List.of("model"));
    columns.addAll(a.columns());
    var rows = new ArrayList<List<View.Cell>>();
    for (int i = 0; i < a.rows().size(); i++) {
      if (!a.rows().get(i).getFirst().equals(b.rows().get(i).getFirst())) {
        return Optional.empty();
      }
      rows.add(row("A", a.rows().get(i)));
      rows.add(row("B", b.rows().get(i)));
    }
    return Optional.of(new View.Table(a.title(), a.question(), columns, rows));
  }

  private static List<View.Cell> row(String side, List<View.Cell> cells) {
    var row = new ArrayList<View.Cell>();
    row.add(View.Cell.of(side));
    row.addAll(cells);
    return row;
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, "%.4g", value);
  }
}
