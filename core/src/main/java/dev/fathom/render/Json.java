package dev.fathom.render;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Report;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import dev.fathom.view.View.Edge;
import dev.fathom.view.View.Flow;
import dev.fathom.view.View.HeatMap;
import dev.fathom.view.View.Item;
import dev.fathom.view.View.Lines;
import dev.fathom.view.View.Mark;
import dev.fathom.view.View.Node;
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
import java.io.StringWriter;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/// Writes results and reports as JSON. The format is described on this package's page.
public final class Json {
  private static final JsonFactory FACTORY = JsonFactory.builder().build();

  /// Half a surrogate pair, which tokenizers can produce and UTF-8 cannot carry.
  private static final Pattern HALF = Pattern.compile("\\p{Cs}");

  private final JsonGenerator out;

  private Json(JsonGenerator out) {
    this.out = out;
  }

  /// A result with its arrays, ending in a line break.
  public static String render(Result result) {
    return write(json -> {
      json.out.writeStringProperty("format", "fathom.result/1");
      json.out.writeStringProperty("method", result.method());
      json.provenance(result.provenance());
      json.arrays(result.arrays());
      json.views(result.views());
    });
  }

  /// A report with the arrays of its sections, ending in a line break.
  public static String render(Report report) {
    return render(report, true);
  }

  /// A report without arrays, for a page whose script needs only the views.
  static String withoutArrays(Report report) {
    return render(report, false);
  }

  private static String render(Report report, boolean arrays) {
    return write(json -> {
      json.out.writeStringProperty("format", "fathom.report/1");
      json.out.writeStringProperty("title", report.title());
      json.out.writeStringProperty("subtitle", report.subtitle());
      json.strings("summary", report.summary());
      json.provenance(report.provenance());
      json.list("sections", report.sections(), (Section s) -> json.section(s, arrays));
    });
  }

  /// A single view, ending in a line break.
  public static String render(View view) {
    return write(json -> {
      json.out.writeStringProperty("format", "fathom.view/1");
      json.view(view);
    });
  }

  private static String write(Consumer<Json> body) {
    var text = new StringWriter();
    try (JsonGenerator out = FACTORY.createGenerator(ObjectWriteContext.empty(), text)) {
      out.writeStartObject();
      body.accept(new Json(out));
      out.writeEndObject();
    }
    return HALF.matcher(text.toString()).replaceAll("\uFFFD") + "\n";
  }

  private void section(Section section, boolean arrays) {
    out.writeStringProperty("id", section.id());
    out.writeStringProperty("title", section.title());
    out.writeStringProperty("explanation", section.explanation());
    if (arrays) {
      arrays(section.arrays());
    }
    views(section.views());
  }

  private void provenance(Provenance p) {
    out.writeObjectPropertyStart("provenance");
    out.writeStringProperty("model", p.model());
    out.writeStringProperty("weights", p.weights());
    out.writeStringProperty("version", p.version());
    out.writeArrayPropertyStart("tokenIds");
    p.tokenIds().forEach(out::writeNumber);
    out.writeEndArray();
    strings("tokens", p.tokens());
    out.writeObjectPropertyStart("parameters");
    p.parameters().forEach(out::writeStringProperty);
    out.writeEndObject();
    if (p.seed().isPresent()) {
      out.writeNumberProperty("seed", p.seed().getAsLong());
    } else {
      out.writeNullProperty("seed");
    }
    out.writeStringProperty("dtype", p.dtype());
    number("seconds", p.seconds());
    out.writeNumberProperty("peakBytes", p.peakBytes());
    out.writeEndObject();
  }

  private void arrays(SequencedMap<String, Grid> arrays) {
    out.writeObjectPropertyStart("arrays");
    arrays.forEach((name, grid) -> {
      out.writeName(name);
      grid(grid);
    });
    out.writeEndObject();
  }

  private void grid(Grid grid) {
    out.writeStartObject();
    list(
        "axes",
        grid.axes(),
        (Axis axis) -> {
          out.writeStringProperty("name", axis.name());
          out.writeNumberProperty("size", axis.size());
          if (!axis.labels().isEmpty()) {
            strings("labels", axis.labels());
          }
        });
    out.writeStringProperty("type", grid.isInteger() ? "i64" : "f32");
    out.writeName("values");
    values(grid, new int[grid.rank()], 0);
    out.writeEndObject();
  }

  private void values(Grid grid, int[] index, int axis) {
    if (axis == index.length) {
      if (grid.isInteger()) {
        out.writeNumber(grid.integerAt(index));
      } else {
        number((float) grid.at(index));
      }
      return;
    }
    out.writeStartArray();
    for (int i = 0; i < grid.axis(axis).size(); i++) {
      index[axis] = i;
      values(grid, index, axis + 1);
    }
    out.writeEndArray();
  }

  private void views(List<View> views) {
    list("views", views, this::view);
  }

  private void view(View view) {
    switch (view) {
      case HeatMap map -> heatMap(map);
      case Lines lines -> lines(lines);
      case Tokens tokens -> {
        begin("tokens", view);
        scale(tokens.fitted());
        list(
            "tokens",
            tokens.tokens(),
            (Token token) -> {
              out.writeStringProperty("text", token.text());
              number("value", token.value());
              details(token.details());
            });
      }
      case Ranking ranking -> {
        begin("ranking", view);
        out.writeStringProperty("unit", ranking.unit());
        list(
            "items",
            ranking.items(),
            (Item item) -> {
              out.writeStringProperty("label", item.label());
              quantity(item.value(), item.low(), item.high());
              details(item.details());
            });
      }
      case Scatter scatter -> {
        begin("scatter", view);
        out.writeStringProperty("xTitle", scatter.xTitle());
        out.writeStringProperty("yTitle", scatter.yTitle());
        out.writeBooleanProperty("diagonal", scatter.diagonal());
        scatter
            .frame()
            .ifPresent(frame -> {
              out.writeName("frame");
              out.writeStartObject();
              number("xLow", frame.xLow());
              number("xHigh", frame.xHigh());
              number("yLow", frame.yLow());
              number("yHigh", frame.yHigh());
              out.writeEndObject();
            });
        if (!scatter.named().isEmpty()) {
          strings("named", List.copyOf(scatter.named()));
        }
        if (!scatter.link().isEmpty()) {
          out.writeStringProperty("link", scatter.link());
        }
        list(
            "points",
            scatter.points(),
            (Point point) -> {
              number("x", point.x());
              number("y", point.y());
              out.writeStringProperty("label", point.label());
              out.writeStringProperty("group", point.group());
              details(point.details());
            });
      }
      case Flow flow -> {
        begin("flow", view);
        out.writeStringProperty("unit", flow.unit());
        list(
            "nodes",
            flow.nodes(),
            (Node node) -> {
              out.writeStringProperty("label", node.label());
              out.writeNumberProperty("column", node.column());
            });
        list(
            "edges",
            flow.edges(),
            (Edge edge) -> {
              out.writeNumberProperty("from", edge.from());
              out.writeNumberProperty("to", edge.to());
              number("weight", edge.weight());
            });
      }
      case Table table -> table(table);
      case Text text -> {
        begin("text", view);
        strings("paragraphs", text.paragraphs());
      }
      case SmallMultiples page -> {
        begin("smallMultiples", view);
        scale(page.fitted());
        list("panels", page.panels(), this::heatMap);
      }
    }
  }

  private void begin(String kind, View view) {
    out.writeStringProperty("kind", kind);
    out.writeStringProperty("title", view.title());
    out.writeStringProperty("question", view.question());
  }

  private void heatMap(HeatMap map) {
    begin("heatMap", map);
    scale(map.fitted());
    out.writeName("grid");
    grid(map.values());
    if (!map.labels().isEmpty()) {
      out.writeArrayPropertyStart("labels");
      for (List<String> row : map.labels()) {
        strings(row);
      }
      out.writeEndArray();
    }
    if (!map.details().isEmpty()) {
      out.writeArrayPropertyStart("details");
      for (List<List<String>> row : map.details()) {
        out.writeStartArray();
        row.forEach(this::strings);
        out.writeEndArray();
      }
      out.writeEndArray();
    }
    out.writeArrayPropertyStart("unscaledColumns");
    map.unscaled().forEach(out::writeNumber);
    out.writeEndArray();
    out.writeBooleanProperty("rowsBottomUp", map.rowsBottomUp());
  }

  private void lines(Lines lines) {
    begin("lines", lines);
    out.writeName("x");
    grid(lines.x());
    list(
        "panels",
        lines.panels(),
        (Panel panel) -> {
          out.writeStringProperty("unit", panel.unit());
          out.writeBooleanProperty("logarithmic", panel.logarithmic());
          list(
              "series",
              panel.series(),
              (Series series) -> {
                out.writeStringProperty("name", series.name());
                vector("values", series.values());
                if (!series.band().isEmpty()) {
                  vector("low", series.band().get(0));
                  vector("high", series.band().get(1));
                }
              });
        });
    list(
        "marks",
        lines.marks(),
        (Mark mark) -> {
          number("x", mark.x());
          out.writeStringProperty("label", mark.label());
        });
  }

  private void vector(String name, Grid grid) {
    out.writeName(name);
    values(grid, new int[grid.rank()], 0);
  }

  private void table(Table table) {
    begin("table", table);
    strings("columns", table.columns());
    out.writeArrayPropertyStart("rows");
    for (List<Cell> row : table.rows()) {
      out.writeStartArray();
      row.forEach(this::cell);
      out.writeEndArray();
    }
    out.writeEndArray();
  }

  private void cell(Cell cell) {
    switch (cell) {
      case Words words -> out.writeString(words.text());
      case Quantity q when Double.isNaN(q.low()) && Double.isNaN(q.high()) -> number(q.value());
      case Quantity q -> {
        out.writeStartObject();
        quantity(q.value(), q.low(), q.high());
        out.writeEndObject();
      }
    }
  }

  private void quantity(double value, double low, double high) {
    number("value", value);
    if (!Double.isNaN(low) || !Double.isNaN(high)) {
      number("low", low);
      number("high", high);
    }
  }

  private void scale(Scale scale) {
    out.writeObjectPropertyStart("scale");
    out.writeStringProperty(
        "kind",
        switch (scale.kind()) {
          case SEQUENTIAL -> "sequential";
          case LOGARITHMIC -> "logarithmic";
          case DIVERGING -> "diverging";
        });
    number("low", scale.low());
    number("high", scale.high());
    out.writeStringProperty("unit", scale.unit());
    out.writeEndObject();
  }

  private void details(List<String> details) {
    if (!details.isEmpty()) {
      strings("details", details);
    }
  }

  private void strings(String name, List<String> strings) {
    out.writeName(name);
    strings(strings);
  }

  private void strings(List<String> strings) {
    out.writeStartArray();
    strings.forEach(out::writeString);
    out.writeEndArray();
  }

  private <T> void list(String name, List<? extends T> items, Consumer<T> properties) {
    out.writeArrayPropertyStart(name);
    for (T item : items) {
      out.writeStartObject();
      properties.accept(item);
      out.writeEndObject();
    }
    out.writeEndArray();
  }

  private void number(String name, double value) {
    out.writeName(name);
    number(value);
  }

  private void number(double value) {
    if (Double.isFinite(value)) {
      out.writeNumber(value);
    } else {
      out.writeNull();
    }
  }

  private void number(float value) {
    if (Float.isFinite(value)) {
      out.writeNumber(value);
    } else {
      out.writeNull();
    }
  }
}
