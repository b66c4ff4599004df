package dev.fathom.render;

import dev.fathom.Sha256;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Report;
import dev.fathom.view.Scale;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import dev.fathom.view.View.Edge;
import dev.fathom.view.View.Flow;
import dev.fathom.view.View.HeatMap;
import dev.fathom.view.View.Lines;
import dev.fathom.view.View.Panel;
import dev.fathom.view.View.Point;
import dev.fathom.view.View.Quantity;
import dev.fathom.view.View.Ranking;
import dev.fathom.view.View.Scatter;
import dev.fathom.view.View.Series;
import dev.fathom.view.View.SmallMultiples;
import dev.fathom.view.View.Table;
import dev.fathom.view.View.Text;
import dev.fathom.view.View.Token;
import dev.fathom.view.View.Tokens;
import dev.fathom.view.View.Words;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;

/// Writes a report as one HTML file that needs nothing else: no network, no server, no other file.
///
/// Pictures are ordinary tables and SVG, so the page can be read, printed and searched without its
/// script; the script adds tips with the numbers, the keyboard, paging and themes. The page forbids
/// itself every request and every script and style but its own, by hash, so that text of strangers
/// stays text.
public final class Html {
  /// Columns of a heat map on one page of it.
  private static final int PAGE = 256;

  private static final Pattern UNSEEN = Pattern.compile("[\u2028-\u202e\u2066-\u2069]");

  private static final int COMPACT_FROM = 40;
  private static final int MOST_NUMBERS = 2000;

  private final StringBuilder out = new StringBuilder();

  private Html() {}

  /// The report as a complete page.
  public static String render(Report report) {
    var html = new Html();
    html.page(report);
    return html.out.toString();
  }

  private void page(Report report) {
    String style =
        ":root{color-scheme:light;%s}\n".formatted(Paint.declarations(Theme.LIGHT))
            + "@media (prefers-color-scheme:dark){:root:not([data-theme=light]){color-scheme:dark;%s}}\n"
                .formatted(Paint.declarations(Theme.DARK))
            + ":root[data-theme=dark]{color-scheme:dark;%s}\n"
                .formatted(Paint.declarations(Theme.DARK))
            + steps()
            + resource("report.css");
    String script = resource("report.js");
    out.append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.append("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ")
        .append("script-src '%s'; style-src '%s'; ".formatted(hash(script), hash(style)))
        .append("img-src data:; base-uri 'none'; form-action 'none'\">\n");
    out.append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.append("<meta name=\"generator\" content=\"Fathom ")
        .append(Markup.escape(report.provenance().version()))
        .append("\">\n");
    element("title", report.title());
    out.append("<style>").append(style).append("</style>\n</head>\n<body>\n");
    out.append("<div class=\"layout\">\n");
    contents(report);
    out.append("<main>\n<header>\n");
    element("h1", report.title());
    if (!report.subtitle().isEmpty()) {
      element("p class=\"subtitle\"", report.subtitle());
    }
    out.append("</header>\n");
    if (report.summary().size() == 1) {
      out.append("<div class=\"summary\">\n<h2>What was found</h2>\n");
      element("p class=\"paragraph\"", report.summary().getFirst());
      out.append("</div>\n");
    } else if (!report.summary().isEmpty()) {
      out.append("<div class=\"summary\">\n<h2>What was found</h2>\n<ul>\n");
      report.summary().forEach(sentence -> element("li", sentence));
      out.append("</ul>\n</div>\n");
    }
    for (int s = 0; s < report.sections().size(); s++) {
      section(report.sections().get(s), s);
    }
    provenance(report.provenance());
    out.append("</main>\n</div>\n<div id=\"tip\" role=\"tooltip\"></div>\n");
    out.append("<script type=\"application/json\" id=\"data\">")
        .append(inScript(Json.withoutArrays(report)))
        .append("</script>\n<script>")
        .append(script)
        .append("</script>\n</body>\n</html>\n");
  }

  /// A class for each colour of the ramps, with text that can be read on it.
  private static String steps() {
    var css = new StringBuilder();
    for (String name : Paint.ramp()) {
      css.append(".%1$s{background:var(--%1$s);color:var(--on-%1$s)}\n".formatted(name));
    }
    return css.toString();
  }

  private void contents(Report report) {
    out.append("<nav aria-label=\"Contents\">\n<p class=\"brand\">Fathom</p>\n<ol>\n");
    for (Section section : report.sections()) {
      out.append("<li><a href=\"#s-").append(section.id()).append("\">");
      out.append(Markup.escape(section.title())).append("</a></li>\n");
    }
    out.append("<li><a href=\"#origin\">Where this comes from</a></li>\n</ol>\n");
    out.append("<button id=\"theme\" type=\"button\" hidden>Theme</button>\n</nav>\n");
  }

  private void section(Section section, int index) {
    out.append("<section id=\"s-").append(section.id()).append("\">\n");
    element("h2", section.title());
    if (!section.explanation().isEmpty()) {
      element("p class=\"explanation\"", section.explanation());
    }
    for (int v = 0; v < section.views().size(); v++) {
      View view = section.views().get(v);
      boolean beside = view instanceof Scatter scatter && !scatter.link().isEmpty();
      out.append(beside ? "<figure class=\"beside\">\n" : "<figure>\n");
      if (!view.title().isEmpty() && !view.title().equals(section.title())) {
        element("h3", view.title());
      }
      if (!view.question().isEmpty()) {
        element("p class=\"question\"", view.question());
      }
      view(view, index + "." + v);
      out.append("</figure>\n");
    }
    out.append("</section>\n");
  }

  private void view(View view, String id) {
    switch (view) {
      case HeatMap map -> heatMap(map, id);
      case Tokens tokens -> tokens(tokens, id);
      case Table table -> table(table.columns(), table.rows());
      case Text text -> text.paragraphs().forEach(p -> element("p class=\"paragraph\"", p));
      case SmallMultiples page -> picture(page);
      case Ranking ranking -> picture(ranking);
      case Lines lines -> {
        picture(lines);
        numbers(lines);
      }
      case Scatter scatter -> {
        picture(scatter);
        numbers(scatter);
      }
      case Flow flow -> {
        picture(flow);
        numbers(flow);
      }
    }
  }

  private void picture(View view) {
    out.append("<div class=\"scroll\">\n").append(Svg.inline(view)).append("</div>\n");
  }

  private void heatMap(HeatMap map, String id) {
    int rows = map.rows().size();
    int columns = map.columns().size();
    if (rows == 0 || columns == 0) {
      element("p class=\"note\"", "No cells: %d rows, %d columns.".formatted(rows, columns));
      return;
    }
    Scale scale = map.fitted();
    boolean compact = columns > COMPACT_FROM;
    out.append("<div class=\"tools\">\n");
    if (!map.labels().isEmpty()) {
      tool("numbers", "Numbers in the cells", false);
    }
    tool("compact", "Compact", compact);
    if (columns > PAGE) {
      out.append(
          "<span class=\"pager\" hidden><button type=\"button\">‹ Back</button> <span></span>");
      out.append(" <button type=\"button\">Next ›</button></span>\n");
    }
    out.append("</div>\n");
    for (int from = 0; from < columns; from += PAGE) {
      int to = Math.min(columns, from + PAGE);
      out.append(
          "<div class=\"page scroll%s\" data-range=\"%s %d to %d of %d\">\n"
              .formatted(
                  rows > 40 ? " large" : "",
                  Markup.escape(map.columns().name()),
                  from,
                  to - 1,
                  columns));
      cells(map, scale, id, from, to, compact);
      out.append("</div>\n");
    }
    legend(scale);
    if (!map.unscaled().isEmpty()) {
      element(
          "p class=\"note\"",
          "* not counted for the colour range: column " + TerminalHeatMap.join(map));
    }
  }

  private void tool(String action, String name, boolean pressed) {
    out.append(
        "<button type=\"button\" data-do=\"%s\" aria-pressed=\"%s\" hidden>%s</button>\n"
            .formatted(action, pressed, name));
  }

  private void cells(HeatMap map, Scale scale, String id, int from, int to, boolean compact) {
    int rows = map.rows().size();
    out.append(
        "<table class=\"heat%s%s\" data-view=\"%s\" data-start=\"%d\">\n"
            .formatted(
                compact ? " compact" : to - from <= 12 ? " roomy" : "",
                rows > 24 ? " tall" : "",
                id,
                from));
    out.append("<thead><tr><th class=\"corner\" scope=\"col\">");
    out.append(Markup.escape(map.rows().name())).append("</th>");
    for (int c = from; c < to; c++) {
      String mark = map.unscaled().contains(c) ? "*" : "";
      String index = c % 10 == 0 ? " data-i=\"" + c + "\"" : "";
      out.append("<th scope=\"col\"").append(index).append('>').append(mark);
      out.append(Markup.escape(Legible.label(map.columns().label(c)))).append("</th>");
    }
    out.append("</tr></thead>\n<tbody>\n");
    boolean first = true;
    for (int i = 0; i < rows; i++) {
      int row = map.rowsBottomUp() ? rows - 1 - i : i;
      out.append("<tr data-r=\"").append(row).append("\"><th scope=\"row\">");
      out.append(Markup.escape(Legible.label(map.rows().label(row)))).append("</th>");
      for (int c = from; c < to; c++) {
        double value = map.values().at(row, c);
        out.append("<td class=").append(Palette.step(scale, value));
        out.append(first ? " tabindex=0>" : " tabindex=-1>");
        first = false;
        if (!map.labels().isEmpty()) {
          out.append(Markup.escape(Legible.label(map.label(row, c))));
        } else if (!Double.isNaN(value)) {
          out.append(Numbers.fixed(value, scale.high() - scale.low(), 8));
        }
        out.append("</td>");
      }
      out.append("</tr>\n");
    }
    out.append("</tbody>\n</table>\n");
  }

  private void legend(Scale scale) {
    var drawing = new Drawing(Theme.AUTO);
    SvgHeatMap.legend(drawing, scale, 1, 4);
    out.append("<div class=\"legend scroll\">").append(drawing.inline("colour scale"));
    out.append("</div>\n");
  }

  private void tokens(Tokens strip, String id) {
    Scale scale = strip.fitted();
    out.append("<p class=\"strip\" data-view=\"").append(id).append("\">");
    for (int i = 0; i < strip.tokens().size(); i++) {
      Token token = strip.tokens().get(i);
      out.append(
          "<span class=\"%s\" data-i=\"%d\" tabindex=\"%d\">"
              .formatted(Palette.step(scale, token.value()), i, i == 0 ? 0 : -1));
      out.append(Markup.escape(token.text())).append("</span>");
    }
    out.append("</p>\n");
    legend(scale);
    var rows = new ArrayList<List<Cell>>();
    for (Token token : strip.tokens()) {
      rows.add(List.of(Cell.of(token.text()), Cell.of(token.value())));
    }
    collapsed(List.of("token", scale.unit()), rows);
  }

  private void numbers(Lines lines) {
    var columns = new ArrayList<String>();
    columns.add(lines.x().axis(0).name());
    var series = new ArrayList<Series>();
    for (Panel panel : lines.panels()) {
      for (Series curve : panel.series()) {
        columns.add(curve.name().strip() + " (" + panel.unit() + ")");
        series.add(curve);
      }
    }
    var rows = new ArrayList<List<Cell>>();
    for (int i = 0; i < lines.x().size(); i++) {
      var row = new ArrayList<Cell>();
      boolean named = !lines.x().axis(0).labels().isEmpty();
      row.add(named ? Cell.of(lines.x().axis(0).label(i)) : Cell.of(lines.x().at(i)));
      for (Series curve : series) {
        row.add(new Quantity(curve.values().at(i), end(curve, 0, i), end(curve, 1, i)));
      }
      rows.add(row);
    }
    collapsed(columns, rows);
  }

  private static double end(Series series, int which, int i) {
    List<Grid> band = series.band();
    return band.isEmpty() ? Double.NaN : band.get(which).at(i);
  }

  private void numbers(Scatter scatter) {
    var rows = new ArrayList<List<Cell>>();
    for (Point p : scatter.points()) {
      rows.add(List.of(Cell.of(p.label()), Cell.of(p.group()), Cell.of(p.x()), Cell.of(p.y())));
    }
    collapsed(List.of("point", "group", scatter.xTitle(), scatter.yTitle()), rows);
  }

  private void numbers(Flow flow) {
    var rows = new ArrayList<List<Cell>>();
    for (Edge edge : flow.edges()) {
      rows.add(
          List.of(
              Cell.of(flow.nodes().get(edge.from()).label()),
              Cell.of(flow.nodes().get(edge.to()).label()),
              Cell.of(edge.weight())));
    }
    collapsed(List.of("from", "to", flow.unit()), rows);
  }

  private void collapsed(List<String> columns, List<List<Cell>> rows) {
    out.append("<details>\n<summary>Numbers</summary>\n");
    table(columns, rows.size() > MOST_NUMBERS ? rows.subList(0, MOST_NUMBERS) : rows);
    if (rows.size() > MOST_NUMBERS) {
      element("p class=\"note\"", "The first %d of %d rows.".formatted(MOST_NUMBERS, rows.size()));
    }
    out.append("</details>\n");
  }

  private void table(List<String> columns, List<List<Cell>> rows) {
    out.append("<div class=\"scroll\">\n<table class=\"plain\">\n<thead><tr>");
    for (int c = 0; c < columns.size(); c++) {
      int column = c;
      boolean numeric =
          !rows.isEmpty() && rows.stream().allMatch(r -> r.get(column) instanceof Quantity);
      out.append(numeric ? "<th scope=\"col\" class=\"number\">" : "<th scope=\"col\">");
      out.append(Markup.escape(columns.get(c))).append("</th>");
    }
    out.append("</tr></thead>\n<tbody>\n");
    for (List<Cell> row : rows) {
      out.append("<tr>");
      for (Cell cell : row) {
        switch (cell) {
          case Words words -> out.append("<td>").append(Markup.escape(words.text()));
          case Quantity q -> {
            out.append("<td class=\"number\">").append(Numbers.format(q.value()));
            if (!Double.isNaN(q.low()) && !Double.isNaN(q.high())) {
              out.append(" <small>[").append(Numbers.format(q.low())).append(", ");
              out.append(Numbers.format(q.high())).append("]</small>");
            }
          }
        }
        out.append("</td>");
      }
      out.append("</tr>\n");
    }
    out.append("</tbody>\n</table>\n</div>\n");
  }

  private void provenance(Provenance p) {
    out.append("<footer id=\"origin\">\n<h2>Where this comes from</h2>\n<dl>\n");
    fact("model", p.model());
    if (!p.weights().isEmpty()) {
      fact("weights (SHA-256)", p.weights());
    }
    fact("arithmetic", p.dtype());
    p.parameters().forEach(this::fact);
    p.seed().ifPresent(seed -> fact("seed", Long.toString(seed)));
    fact("time", Numbers.format(p.seconds()) + " s");
    if (p.peakBytes() > 0) {
      fact("peak memory", Numbers.bytes(p.peakBytes()));
    }
    fact("made by", "Fathom " + p.version());
    out.append("</dl>\n");
    if (!p.tokens().isEmpty()) {
      out.append("<details>\n<summary>%d tokens</summary>\n".formatted(p.tokens().size()));
      out.append("<div class=\"chips\">");
      for (int i = 0; i < p.tokens().size(); i++) {
        out.append("<span>").append(Markup.escape(p.tokens().get(i)));
        out.append(" <small>").append(p.tokenIds().get(i)).append("</small></span>");
      }
      out.append("</div>\n</details>\n");
    }
    out.append("</footer>\n");
  }

  private void fact(String name, String value) {
    element("dt", name);
    element("dd", value);
  }

  /// An element, given as its name and attributes, around escaped text.
  private void element(String tag, String text) {
    int space = tag.indexOf(' ');
    out.append('<').append(tag).append('>').append(Markup.escape(text));
    out.append("</").append(space < 0 ? tag : tag.substring(0, space)).append(">\n");
  }

  /// JSON that no HTML parser can see the end of a script in.
  private static String inScript(String json) {
    return json.strip()
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .transform(Html::escapeUnseen);
  }

  /// Line separators and overrides of direction, which JSON allows in strings, as escapes.
  private static String escapeUnseen(String json) {
    return UNSEEN.matcher(json).replaceAll(m -> "\\\\u%04x".formatted((int) m.group().charAt(0)));
  }

  private static String hash(String text) {
    return "sha256-" + Base64.getEncoder().encodeToString(Sha256.bytes(text));
  }

  private static String resource(String name) {
    try (var in = Objects.requireNonNull(Html.class.getResourceAsStream(name), name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
