package dev.fathom.render;

import dev.fathom.view.Scale;
import dev.fathom.view.View.HeatMap;
import dev.fathom.view.View.SmallMultiples;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/// Draws heat maps as rows of coloured cells.
///
/// Cells are as wide as their text needs and the terminal allows. When the columns do not fit side
/// by side they continue in further blocks below; when that would take more than [#MOST_BLOCKS],
/// cells shrink to a mark each and the column labels move into a list. More than [#MOST_COLUMNS]
/// columns are drawn in groups, more than [#MOST_ROWS] rows are thinned, and the picture says so.
final class TerminalHeatMap {
  private static final int MOST_COLUMNS = 256;
  private static final int MOST_ROWS = 64;
  private static final int MOST_BLOCKS = 4;
  private static final int MOST_PANELS = 36;
  private static final int WIDEST_CELL = 12;
  private static final int HEADING_LINES = 3;

  private final Pen pen;
  private final HeatMap map;
  private final Scale scale;
  private final int[] rows;
  private final List<int[]> columns;
  private final boolean tells;
  private final int rowLabelWidth;

  private TerminalHeatMap(Pen pen, HeatMap map, Scale scale) {
    this.pen = pen;
    this.map = map;
    this.scale = scale;
    this.rows = shownRows(map);
    this.columns = columnGroups(map.columns().size());
    this.tells = tells(map);
    int widest =
        IntStream.of(rows)
            .map(r -> Legible.width(Legible.label(map.rows().label(r))))
            .max()
            .orElse(0);
    this.rowLabelWidth = Math.min(widest, Math.max(5, pen.width() / 5));
  }

  static void draw(Pen pen, HeatMap map) {
    var drawing = new TerminalHeatMap(pen, map, map.fitted());
    if (map.values().size() == 0) {
      pen.line(
          "(no cells: %d rows, %d columns)".formatted(map.rows().size(), map.columns().size()));
      return;
    }
    drawing.cells();
    drawing.notes();
  }

  private static int[] shownRows(HeatMap map) {
    int n = map.rows().size();
    int every = Math.max(1, Math.ceilDiv(n, MOST_ROWS));
    // Counted from the last row, which for layers is the model's output.
    int[] upwards =
        IntStream.rangeClosed(1, n)
            .map(i -> n - i)
            .filter(r -> r == 0 || (n - 1 - r) % every == 0)
            .toArray();
    return map.rowsBottomUp() ? upwards : IntStream.of(upwards).sorted().toArray();
  }

  private static List<int[]> columnGroups(int n) {
    int size = Math.max(1, Math.ceilDiv(n, MOST_COLUMNS));
    return IntStream.range(0, Math.ceilDiv(n, size))
        .mapToObj(g -> IntStream.range(g * size, Math.min(n, (g + 1) * size)).toArray())
        .toList();
  }

  private boolean grouped() {
    return columns.size() < map.columns().size();
  }

  private void cells() {
    int room = pen.width() - rowLabelWidth - 1;
    boolean labelled = !map.labels().isEmpty();
    int least = labelled ? 5 : 6;
    int fitting = Math.max(1, room / least);
    int blocks = Math.ceilDiv(columns.size(), fitting);
    if (grouped() || blocks > MOST_BLOCKS || room < least) {
      compact(room);
      return;
    }
    int perBlock = Math.ceilDiv(columns.size(), blocks);
    for (int from = 0; from < columns.size(); from += perBlock) {
      if (from > 0) {
        pen.blank();
      }
      int[] shown =
          columns.subList(from, Math.min(columns.size(), from + perBlock)).stream()
              .mapToInt(group -> group[0])
              .toArray();
      int[] widths = widths(shown, room, least, labelled);
      headings(shown, widths, labelled);
      for (int row : rows) {
        var line = new StringBuilder(rowLabel(row));
        for (int i = 0; i < shown.length; i++) {
          line.append(cell(row, shown[i], widths[i], labelled));
        }
        pen.line(line.toString());
      }
    }
    legend((labelled && !tells) || pen.colored());
  }

  /// Whether the labels are the numbers themselves, so that nothing else has to say them.
  private static boolean tells(HeatMap map) {
    for (int r = 0; r < map.rows().size(); r++) {
      for (int c = 0; c < map.columns().size(); c++) {
        double value = map.values().at(r, c);
        if (!Double.isNaN(value) && !map.label(r, c).equals(Numbers.format(value))) {
          return false;
        }
      }
    }
    return true;
  }

  /// As wide as each column's text, then the widest made narrower until all fit.
  private int[] widths(int[] shown, int room, int least, boolean labelled) {
    int[] widths = new int[shown.length];
    for (int i = 0; i < shown.length; i++) {
      widths[i] = Math.clamp(neededWidth(shown[i], labelled) + 1, least, WIDEST_CELL);
    }
    while (IntStream.of(widths).sum() > room) {
      int widest = 0;
      for (int i = 1; i < widths.length; i++) {
        widest = widths[i] > widths[widest] ? i : widest;
      }
      widths[widest]--;
    }
    return widths;
  }

  private int neededWidth(int column, boolean labelled) {
    int widest = Legible.width(heading(column));
    for (int row : rows) {
      int text =
          labelled
              ? Legible.width(Legible.label(map.label(row, column)))
                  + (pen.colored() || tells ? 0 : mark(scale, 0).length())
              : number(row, column, WIDEST_CELL).length();
      widest = Math.max(widest, text);
    }
    return widest;
  }

  private String number(int row, int column, int width) {
    return Numbers.fixed(map.values().at(row, column), scale.high() - scale.low(), width);
  }

  private String heading(int column) {
    String label = Legible.label(map.columns().label(column));
    return map.unscaled().contains(column) ? "*" + label : label;
  }

  private void headings(int[] shown, int[] widths, boolean left) {
    var pieces = new ArrayList<List<String>>();
    int height = 1;
    for (int i = 0; i < shown.length; i++) {
      List<String> lines = Legible.pieces(heading(shown[i]), widths[i] - 1);
      if (lines.size() > HEADING_LINES) {
        lines = new ArrayList<>(lines.subList(0, HEADING_LINES));
        lines.set(HEADING_LINES - 1, Legible.cut(lines.getLast(), widths[i] - 2, "") + "…");
      }
      pieces.add(lines);
      height = Math.max(height, lines.size());
    }
    for (int h = 0; h < height; h++) {
      var line = new StringBuilder();
      for (int i = 0; i < shown.length; i++) {
        List<String> lines = pieces.get(i);
        int at = h - (height - lines.size());
        String text = at < 0 ? "" : lines.get(at);
        line.append(
            left ? Legible.pad(text, widths[i]) : Legible.padLeft(text, widths[i] - 1) + " ");
      }
      pen.line(" ".repeat(rowLabelWidth + 1) + pen.bold(line.toString().stripTrailing()));
    }
  }

  private String rowLabel(int row) {
    String label = Legible.cut(Legible.label(map.rows().label(row)), rowLabelWidth, "…");
    return pen.faint(Legible.padLeft(label, rowLabelWidth)) + " ";
  }

  private String cell(int row, int column, int width, boolean labelled) {
    double value = map.values().at(row, column);
    String text = Legible.label(map.label(row, column));
    if (Double.isNaN(value)) {
      return Legible.pad(Legible.cut(text.isEmpty() ? "·" : text, width - 1, "…"), width);
    }
    if (!labelled) {
      String number = Legible.padLeft(number(row, column, width - 1), width - 1) + " ";
      return pen.colored() ? pen.on(color(value), number) : number;
    }
    if (pen.colored()) {
      return pen.on(color(value), Legible.pad(Legible.cut(text, width - 1, "…"), width));
    }
    String mark = tells ? "" : mark(scale, value);
    return mark
        + Legible.pad(Legible.cut(text, width - 1 - mark.length(), "…"), width - mark.length());
  }

  /// Marks side by side: two columns of blank colour, or a digit.
  private void compact(int room) {
    int cell = pen.colored() ? 2 : scale.kind() == Scale.Kind.DIVERGING ? 3 : 2;
    int perBlock = Math.max(1, room / cell);
    if (columns.size() > perBlock) {
      perBlock = Math.max(1, perBlock / 5 * 5);
    }
    for (int from = 0; from < columns.size(); from += perBlock) {
      if (from > 0) {
        pen.blank();
      }
      int to = Math.min(columns.size(), from + perBlock);
      var ruler = new StringBuilder();
      for (int group = from; group < to; group++) {
        int at = (group - from) * cell;
        if ((group - from) % 5 == 0) {
          String number = Integer.toString(columns.get(group)[0]);
          if (at >= ruler.length() && at + number.length() <= room) {
            ruler.append(" ".repeat(at - ruler.length())).append(number).append(' ');
          }
        }
      }
      pen.line(" ".repeat(rowLabelWidth + 1) + pen.bold(ruler.toString().stripTrailing()));
      for (int row : rows) {
        var line = new StringBuilder(rowLabel(row));
        for (int group = from; group < to; group++) {
          double value = greatest(row, columns.get(group));
          if (Double.isNaN(value)) {
            line.append(Legible.pad("·", cell));
          } else if (pen.colored()) {
            line.append(pen.on(color(value), " ".repeat(cell)));
          } else {
            line.append(Legible.pad(mark(scale, value), cell));
          }
        }
        pen.line(line.toString());
      }
    }
    legend(true);
    if (!map.columns().labels().isEmpty()) {
      pen.blank();
      var list = new StringBuilder();
      for (int column = 0; column < map.columns().size(); column++) {
        list.append(column > 0 ? "  " : "").append(column).append(' ').append(heading(column));
      }
      pen.aside(list.toString());
    }
  }

  /// The value of greatest magnitude in a group of columns; NaN if it has none.
  private double greatest(int row, int[] group) {
    double greatest = Double.NaN;
    for (int column : group) {
      double value = map.values().at(row, column);
      if (Double.isNaN(greatest) || Math.abs(value) > Math.abs(greatest)) {
        greatest = value;
      }
    }
    return greatest;
  }

  private Rgb color(double value) {
    return pen.ground(scale, value);
  }

  /// Tenths of the way to the end of the scale, with a sign on a diverging one.
  static String mark(Scale scale, double value) {
    double position = scale.position(value);
    int tenths = (int) Math.min(9, Math.floor(Math.abs(position) * 10 + 1e-6));
    if (scale.kind() != Scale.Kind.DIVERGING) {
      return Integer.toString(tenths);
    }
    return tenths == 0 ? " 0" : (position < 0 ? "-" : "+") + tenths;
  }

  private void legend(boolean encoded) {
    String axes = "rows: " + map.rows().name() + ", columns: " + map.columns().name();
    if (encoded) {
      legend(pen, scale, axes);
    } else {
      pen.words(scale.unit() + "; " + axes, "");
    }
  }

  /// What the colours mean, or without colours the digits.
  static void legend(Pen pen, Scale scale, String axes) {
    String low = Numbers.format(scale.low());
    String high = Numbers.format(scale.high());
    String log = scale.kind() == Scale.Kind.LOGARITHMIC ? ", by logarithm" : "";
    String unit = Legible.of(scale.unit()) + log;
    if (pen.colored()) {
      int ends = low.length() + high.length() + 2;
      int steps = Math.clamp(pen.width() - ends, 2, 16);
      var ramp = new StringBuilder();
      for (int i = 0; i < steps; i++) {
        double t = (i + 0.5) / steps;
        boolean diverging = scale.kind() == Scale.Kind.DIVERGING;
        ramp.append(pen.on(pen.ground(scale.kind(), diverging ? 2 * t - 1 : t), " "));
      }
      String line = low + " " + ramp + " " + high;
      int indent = ends + steps + 2;
      boolean beside = pen.width() - indent >= 20;
      List<String> rest =
          Legible.wrap(
              unit + (axes.isEmpty() ? "" : "; " + Legible.of(axes)),
              beside ? pen.width() - indent : pen.width());
      pen.line(beside ? line + "  " + pen.faint(rest.getFirst()) : line);
      rest.stream()
          .skip(beside ? 1 : 0)
          .forEach(l -> pen.line(" ".repeat(beside ? indent : 0) + pen.faint(l)));
      return;
    }
    String digits =
        scale.kind() == Scale.Kind.DIVERGING
            ? "digits: tenths from 0 to " + high + " (+) or " + low + " (-)"
            : "digits: tenths from " + low + " to " + high;
    pen.words(unit + "; " + digits + (axes.isEmpty() ? "" : "; " + axes), "");
  }

  private void notes() {
    if (rows.length < map.rows().size()) {
      pen.aside(
          "%d of %d rows are drawn, every %s counted from the last."
              .formatted(
                  rows.length,
                  map.rows().size(),
                  ordinal(Math.ceilDiv(map.rows().size(), MOST_ROWS))));
    }
    if (grouped()) {
      pen.aside(
          "%d columns in groups of %d; a group shows its value of greatest magnitude."
              .formatted(map.columns().size(), columns.getFirst().length));
    }
    if (!map.unscaled().isEmpty()) {
      pen.aside("* not counted for the colour range: column " + join(map));
    }
  }

  private static String ordinal(int n) {
    return n == 2 ? "2nd" : n == 3 ? "3rd" : n + "th";
  }

  static String join(HeatMap map) {
    return String.join(
        ", ",
        map.unscaled().stream()
            .map(c -> c < map.columns().size() ? c + " (" + map.columns().label(c) + ")" : "" + c)
            .toList());
  }

  /// Panels side by side, one mark a cell.
  static void draw(Pen pen, SmallMultiples page) {
    Scale scale = page.fitted();
    int cell = pen.colored() ? 2 : scale.kind() == Scale.Kind.DIVERGING ? 2 : 1;
    int shown = Math.min(MOST_PANELS, page.panels().size());
    int most = pen.width() / cell;
    int widest = 1;
    for (HeatMap panel : page.panels().subList(0, shown)) {
      widest = Math.max(widest, Math.min(most, panel.columns().size()));
    }
    int panelWidth = Math.min(pen.width(), Math.max(widest * cell, 10));
    int across = Math.max(1, (pen.width() + 2) / (panelWidth + 2));
    for (int from = 0; from < shown; from += across) {
      List<HeatMap> line = page.panels().subList(from, Math.min(shown, from + across));
      var titles = new StringBuilder();
      for (HeatMap panel : line) {
        titles.append(
            Legible.pad(Legible.cut(Legible.of(panel.title()), panelWidth, "…"), panelWidth + 2));
      }
      pen.line(pen.bold(titles.toString().stripTrailing()));
      int height =
          line.stream().mapToInt(p -> Math.min(MOST_ROWS, p.rows().size())).max().orElse(0);
      for (int r = 0; r < height; r++) {
        var text = new StringBuilder();
        for (HeatMap panel : line) {
          text.append(miniature(pen, panel, scale, r, cell, panelWidth));
        }
        pen.line(text.toString());
      }
      pen.blank();
    }
    legend(pen, scale, "");
    if (shown < page.panels().size()) {
      pen.aside("The first %d of %d panels.".formatted(shown, page.panels().size()));
    }
    boolean cut =
        page.panels().stream()
            .anyMatch(p -> p.columns().size() > most || p.rows().size() > MOST_ROWS);
    if (cut) {
      pen.aside(
          "Panels show their first %d columns and %d rows at most.".formatted(most, MOST_ROWS));
    }
  }

  private static String miniature(
      Pen pen, HeatMap panel, Scale scale, int line, int cell, int panelWidth) {
    var text = new StringBuilder();
    int used = 0;
    int rows = Math.min(MOST_ROWS, panel.rows().size());
    if (line < rows) {
      int row = panel.rowsBottomUp() ? rows - 1 - line : line;
      for (int c = 0; c < panel.columns().size() && used + cell <= panelWidth; c++) {
        double value = panel.values().at(row, c);
        if (Double.isNaN(value)) {
          text.append(Legible.pad("·", cell));
        } else if (pen.colored()) {
          text.append(pen.on(pen.ground(scale, value), " ".repeat(cell)));
        } else {
          text.append(mark(scale, value));
        }
        used += cell;
      }
    }
    return text + " ".repeat(panelWidth + 2 - used);
  }
}
