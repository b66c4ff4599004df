package dev.fathom.render;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Scale;
import dev.fathom.view.View.HeatMap;
import dev.fathom.view.View.SmallMultiples;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/// Draws heat maps as rectangles. Up to [#TEXT_COLUMNS] columns carry text in their cells; more are
/// drawn narrower and without, and more than [#MOST_COLUMNS] or [#MOST_ROWS] in groups.
final class SvgHeatMap {
  private static final int TEXT_COLUMNS = 48;
  private static final int MOST_COLUMNS = 512;
  private static final int MOST_ROWS = 256;
  private static final double WIDEST = 4096;
  private static final double SMALL = 11;

  private SvgHeatMap() {}

  static void draw(Drawing drawing, HeatMap whole, double left, double top) {
    Scale scale = whole.fitted();
    HeatMap map = coarse(whole);
    int rows = map.rows().size();
    int columns = map.columns().size();
    if (rows == 0 || columns == 0) {
      drawing.text(left, top + 14, "no cells", "start", Svg.SIZE, "soft");
      drawing.extend(left + 60, top + 20);
      return;
    }
    boolean text = columns <= TEXT_COLUMNS && rows <= 130;
    double cell = text ? cellWidth(map) : Math.clamp(WIDEST / columns, 1, 12);
    double line = text ? 20 : Math.clamp(WIDEST / rows, 1, 14);
    double labels = 0;
    for (int r = 0; r < rows; r++) {
      labels = Math.max(labels, Drawing.measure(Legible.label(map.rows().label(r)), SMALL));
    }
    labels = Math.min(140, labels) + 24;
    double headings = headingHeight(map, cell);
    double x0 = left + labels;
    double y0 = top + headings;
    drawing.upwards(left + 9, y0 + rows * line / 2, map.rows().name(), SMALL, "soft");
    int everyRow = (int) Math.max(1, Math.ceil(12 / line));
    for (int r = 0; r < rows; r++) {
      double y = y0 + (map.rowsBottomUp() ? rows - 1 - r : r) * line;
      if ((rows - 1 - r) % everyRow == 0) {
        String label = Legible.label(map.rows().label(r));
        drawing.text(
            x0 - 6, y + line / 2 + 4, Drawing.cut(label, SMALL, labels - 24), "end", SMALL, "soft");
      }
      for (int c = 0; c < columns; c++) {
        cell(drawing, map, scale, r, c, x0 + c * cell, y, cell, line, text);
      }
    }
    int everyColumn = (int) Math.max(1, Math.ceil(14 / cell));
    for (int c = 0; c < columns; c += everyColumn) {
      String label = heading(map, c);
      boolean fits = Drawing.measure(label, SMALL) <= cell - 4;
      double middle = x0 + c * cell + cell / 2;
      if (fits && headings < 24) {
        drawing.text(middle, y0 - 6, label, "middle", SMALL, "ink");
      } else {
        drawing.slanted(middle, y0 - 6, Drawing.cut(label, SMALL, 90), SMALL, "ink");
      }
    }
    double bottom = y0 + rows * line;
    drawing.text(x0, bottom + 15, map.columns().name(), "start", SMALL, "soft");
    drawing.extend(x0 + columns * cell + (headings < 24 ? 0 : 50), bottom + 18);
    double end = legend(drawing, scale, x0, bottom + 28);
    if (map.values().size() < whole.values().size()) {
      String note =
          "%d rows and %d columns in groups; a group shows its value of greatest magnitude"
              .formatted(whole.rows().size(), whole.columns().size());
      end = note(drawing, note, x0, end);
    }
    if (!map.unscaled().isEmpty()) {
      note(
          drawing,
          "* not counted for the colour range: column " + TerminalHeatMap.join(whole),
          x0,
          end);
    }
  }

  private static double note(Drawing drawing, String text, double left, double top) {
    String shown = Drawing.cut(text, SMALL, Svg.WIDTH);
    drawing.text(left, top + 14, shown, "start", SMALL, "soft");
    drawing.extend(left + Drawing.measure(shown, SMALL), top + 20);
    return top + 16;
  }

  /// The map itself, or if it has more rows or columns than can be told apart, one with neighbours
  /// in groups, each with its value of greatest magnitude.
  private static HeatMap coarse(HeatMap map) {
    int tall = Math.max(1, Math.ceilDiv(map.rows().size(), MOST_ROWS));
    int wide = Math.max(1, Math.ceilDiv(map.columns().size(), MOST_COLUMNS));
    if (tall == 1 && wide == 1) {
      return map;
    }
    Axis rows = coarse(map.rows(), tall);
    Axis columns = coarse(map.columns(), wide);
    float[] values = new float[rows.size() * columns.size()];
    Arrays.fill(values, Float.NaN);
    for (int r = 0; r < map.rows().size(); r++) {
      for (int c = 0; c < map.columns().size(); c++) {
        int at = r / tall * columns.size() + c / wide;
        float value = (float) map.values().at(r, c);
        if (Float.isNaN(values[at]) || Math.abs(value) > Math.abs(values[at])) {
          values[at] = value;
        }
      }
    }
    var small =
        HeatMap.of(
            map.title(), map.question(), Grid.real(List.of(rows, columns), values), map.fitted());
    Set<Integer> unscaled = map.unscaled().stream().map(c -> c / wide).collect(Collectors.toSet());
    return (map.rowsBottomUp() ? small.bottomUp() : small).withUnscaled(unscaled);
  }

  private static Axis coarse(Axis axis, int group) {
    var labels = new ArrayList<String>();
    for (int i = 0; i < axis.size(); i += group) {
      labels.add(axis.label(i));
    }
    return Axis.of(axis.name(), labels);
  }

  private static double cellWidth(HeatMap map) {
    double widest = 30;
    for (int r = 0; r < map.rows().size(); r++) {
      for (int c = 0; c < map.columns().size(); c++) {
        widest = Math.max(widest, Drawing.measure(Legible.label(map.label(r, c)), SMALL));
      }
    }
    for (int c = 0; c < map.columns().size(); c++) {
      widest = Math.max(widest, Math.min(52, Drawing.measure(heading(map, c), SMALL)));
    }
    return Math.min(76, widest + 10);
  }

  private static String heading(HeatMap map, int column) {
    String label = Legible.label(map.columns().label(column));
    return map.unscaled().contains(column) ? "*" + label : label;
  }

  private static double headingHeight(HeatMap map, double cell) {
    double widest = 0;
    for (int c = 0; c < map.columns().size(); c++) {
      widest = Math.max(widest, Drawing.measure(heading(map, c), SMALL));
    }
    return widest <= cell - 4 ? 20 : Math.min(96, 22 + 0.77 * Math.min(90, widest));
  }

  private static void cell(
      Drawing drawing,
      HeatMap map,
      Scale scale,
      int row,
      int column,
      double x,
      double y,
      double width,
      double height,
      boolean text) {
    double value = map.values().at(row, column);
    String step = Palette.step(scale, value);
    double gap = width >= 8 ? 1 : 0;
    drawing.rect(x, y, width - gap, height - gap, step, tip(map, scale, row, column));
    if (text) {
      String shown = Drawing.cut(Legible.label(map.label(row, column)), SMALL, width - 4);
      if (map.labels().isEmpty() && !Double.isNaN(value)) {
        shown = Numbers.fixed(value, scale.high() - scale.low(), (int) ((width - 4) / 6.4));
      }
      drawing.text(
          x + (width - gap) / 2, y + height / 2 + 3.5, shown, "middle", SMALL, "on-" + step);
    }
  }

  /// What a cell is, its number, and its details.
  static List<String> tip(HeatMap map, Scale scale, int row, int column) {
    var lines = new ArrayList<String>();
    lines.add(place(map, row, column));
    lines.add(Numbers.format(map.values().at(row, column)) + " " + scale.unit());
    lines.addAll(map.details(row, column));
    return lines;
  }

  private static String place(HeatMap map, int row, int column) {
    String at = map.columns().labels().isEmpty() ? "" : " '" + map.columns().label(column) + "'";
    return "%s %s, %s %d%s"
        .formatted(map.rows().name(), map.rows().label(row), map.columns().name(), column, at);
  }

  /// The ramp with its ends and unit; returns where it ends below.
  static double legend(Drawing drawing, Scale scale, double left, double top) {
    String low = Numbers.format(scale.low());
    boolean diverging = scale.kind() == Scale.Kind.DIVERGING;
    double x = left + Drawing.measure(low, SMALL) + 8;
    double width = 8;
    int from = diverging ? -Palette.STEPS : 0;
    drawing.text(left, top + 10, low, "start", SMALL, "soft");
    for (int i = from; i <= Palette.STEPS; i += diverging ? 2 : 1) {
      String step = diverging ? (i == 0 ? "d0" : i < 0 ? "n" + -i : "p" + i) : "q" + i;
      drawing.rect(x, top, width + 0.3, 12, step, List.of());
      x += width;
    }
    String log = scale.kind() == Scale.Kind.LOGARITHMIC ? ", by logarithm" : "";
    String end = Numbers.format(scale.high()) + "  " + Legible.of(scale.unit()) + log;
    drawing.text(x + 6, top + 10, end, "start", SMALL, "soft");
    drawing.extend(x + 12 + Drawing.measure(end, SMALL), top + 16);
    return top + 16;
  }

  static void draw(Drawing drawing, SmallMultiples page, double left, double top) {
    Scale scale = page.fitted();
    double size = 0;
    for (HeatMap panel : page.panels()) {
      int most = Math.max(panel.rows().size(), panel.columns().size());
      size = Math.max(size, Math.clamp(most * 12.0, 110, 240));
    }
    int across = (int) Math.max(1, Math.floor((Svg.WIDTH + 32) / (size + 16)));
    double bottom = top;
    for (int i = 0; i < page.panels().size(); i++) {
      HeatMap panel = page.panels().get(i);
      int row = i / across;
      double x = left + (i % across) * (size + 16);
      double y = top + row * (size + 34);
      drawing.text(x, y + 11, Drawing.cut(panel.title(), SMALL, size), "start", SMALL, "ink");
      int rows = panel.rows().size();
      double cell = size / Math.max(1, Math.max(rows, panel.columns().size()));
      drawing.rect(x, y + 16, panel.columns().size() * cell, rows * cell, "na", List.of());
      for (int r = 0; r < rows; r++) {
        double at = y + 16 + (panel.rowsBottomUp() ? rows - 1 - r : r) * cell;
        for (int c = 0; c < panel.columns().size(); c++) {
          double value = panel.values().at(r, c);
          if (!Double.isNaN(value)) {
            double gap = cell > 5 ? 0.5 : 0;
            drawing.rect(
                x + c * cell,
                at,
                cell - gap,
                cell - gap,
                Palette.step(scale, value),
                tip(panel, scale, r, c));
          }
        }
      }
      drawing.extend(x + size, y + size + 18);
      bottom = Math.max(bottom, y + size + 18);
    }
    legend(drawing, scale, left, bottom + 10);
  }
}
