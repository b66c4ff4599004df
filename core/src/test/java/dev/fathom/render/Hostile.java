package dev.fathom.render;

import dev.fathom.view.Axis;
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
import dev.fathom.view.View.Item;
import dev.fathom.view.View.Lines;
import dev.fathom.view.View.Mark;
import dev.fathom.view.View.Node;
import dev.fathom.view.View.Panel;
import dev.fathom.view.View.Point;
import dev.fathom.view.View.Ranking;
import dev.fathom.view.View.Scatter;
import dev.fathom.view.View.Series;
import dev.fathom.view.View.SmallMultiples;
import dev.fathom.view.View.Table;
import dev.fathom.view.View.Text;
import dev.fathom.view.View.Token;
import dev.fathom.view.View.Tokens;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;

/// Text that a tokenizer from a stranger may hold, and reports with it in every place.
final class Hostile {
  static final List<String> STRINGS =
      List.of(
          "\033[2J\033]0;title\007",
          "\u009b31m",
          "</script><script>alert(1)</script>",
          "<!--",
          "]]>",
          "\"'><img src=x onerror=alert(1)>",
          "&amp;&#60;",
          "\u202eright to left\u2066",
          "\u0000",
          "one\r\ntwo\u2028three",
          "\ud800",
          "\udc00\ud800",
          "\ufffe",
          "\u0301".repeat(500),
          "e" + "\u0301".repeat(500),
          "\u200b\u00ad\ufeff",
          "👨‍👩‍👧",
          "🇫🇷🇩🇪",
          "日本語のトークン",
          "שלום",
          "   ",
          "",
          "%s%n{0}$1\\",
          "x".repeat(20_000));

  private Hostile() {}

  static Report report(String s) {
    var parameters = new LinkedHashMap<String, String>();
    parameters.put(s, s);
    var provenance =
        new Provenance(s, s, s, List.of(1), List.of(s), parameters, OptionalLong.of(1), s, 1, 1);
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put(s, map(s).values());
    return new Report(
        s, s, List.of(s), List.of(new Section("one", s, s, views(s), arrays)), provenance);
  }

  static List<View> views(String s) {
    var axis = Axis.of(s, List.of(s, s));
    var series = Series.of(s, Grid.vector(axis, 0.2f, 0.9f));
    return List.of(
        map(s),
        map(s).withLabels(List.of()),
        Lines.over(s, s, axis, Panel.of(s, series)).withMarks(List.of(new Mark(1, s))),
        new Tokens(
            s,
            s,
            List.of(new Token(s, 0.5, List.of(s)), new Token(s, Double.NaN, List.of(s))),
            Scale.sequential(s)),
        new Ranking(s, s, List.of(Item.of(s, 1).withDetails(List.of(s)), Item.of(s, -2)), s),
        Scatter.of(
                s,
                s,
                s,
                s,
                List.of(new Point(0, 1, s, s, List.of(s)), new Point(1, 0, s, "b", List.of())))
            .naming(Set.of(s)),
        Scatter.of(s, s, s, s, List.of(new Point(0, 1, s, s, List.of(s)))).linkedBy("map"),
        new Flow(s, s, List.of(new Node(s, 0), new Node(s, 1)), List.of(new Edge(0, 1, 1)), s),
        new Table(s, s, List.of(s, s), List.of(List.of(Cell.of(s), Cell.of(1.5)))),
        new Text(s, s, List.of(s, s)),
        new SmallMultiples(s, s, List.of(map(s), map(s)), Scale.diverging(s)));
  }

  private static HeatMap map(String s) {
    var axis = Axis.of(s, List.of(s, s));
    Grid grid = Grid.real(List.of(axis, axis), new float[] {0, 0.5f, Float.NaN, -1});
    var row = List.of(s, s);
    var details = List.of(List.of(s), List.of(s));
    return HeatMap.of(s, s, grid, Scale.diverging(s))
        .withLabels(List.of(row, row))
        .withDetails(List.of(details, details))
        .withUnscaled(Set.of(0));
  }
}
