package dev.fathom.render;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.render.TerminalStyle.Color;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import dev.fathom.view.View.HeatMap;
import dev.fathom.view.View.Lines;
import dev.fathom.view.View.Panel;
import dev.fathom.view.View.Ranking;
import dev.fathom.view.View.Scatter;
import dev.fathom.view.View.Series;
import dev.fathom.view.View.SmallMultiples;
import dev.fathom.view.View.Table;
import dev.fathom.view.View.Text;
import dev.fathom.view.View.Tokens;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What views look like as text. The expected pictures are files; `-Dfathom.update.goldens=true`
/// writes them anew, to be looked at before they are committed.
class TerminalTest {
  private static final String ESCAPES = "\033\\[[0-9;]*m";

  @Test
  void aReportOf80Columns() throws IOException {
    golden("report-80", Terminal.render(Samples.report(), TerminalStyle.plain()));
  }

  @Test
  void aReportOf40Columns() throws IOException {
    golden("report-40", Terminal.render(Samples.report(), TerminalStyle.plain().withWidth(40)));
  }

  @Test
  void aReportOf200Columns() throws IOException {
    golden("report-200", Terminal.render(Samples.report(), TerminalStyle.plain().withWidth(200)));
  }

  @Test
  void aReportInAscii() throws IOException {
    golden(
        "report-ascii",
        Terminal.render(Samples.report(), new TerminalStyle(80, Color.NONE, false)));
  }

  @Test
  void labelsThatAreTheNumbersNeedNoDigitBesideThem() {
    var axis = Axis.index("a", 2);
    var map =
        HeatMap.of(
            "",
            "",
            Grid.real(List.of(axis, axis), new float[] {1, Float.NaN, 3, 2}),
            Scale.sequential("neurons"));
    String numbers =
        Terminal.render(
            map.withLabels(List.of(List.of("1", ""), List.of("3", "2"))), TerminalStyle.plain());
    assertThat(numbers).contains("0 1    ·", "1 3    2").doesNotContain("tenths");
    String others =
        Terminal.render(
            map.withLabels(List.of(List.of("x", ""), List.of("3", "2"))), TerminalStyle.plain());
    assertThat(others).contains("0 3x   ·", "1 93   62", "digits: tenths");
  }

  @Test
  void aLensInMillionsOfColours() throws IOException {
    golden(
        "lens-truecolor",
        Terminal.render(Samples.lens(), new TerminalStyle(80, Color.TRUECOLOR, true)));
  }

  @Test
  void aLensIn256Colours() throws IOException {
    golden("lens-256", Terminal.render(Samples.lens(), new TerminalStyle(80, Color.ANSI256, true)));
  }

  @Test
  void aLensOver300Tokens() throws IOException {
    golden(
        "lens-300-tokens",
        Terminal.render(Samples.lens(Samples.manyTokens(300), 30), TerminalStyle.plain()));
  }

  @Test
  void aLensOf100Layers() throws IOException {
    String text = Terminal.render(Samples.lens(Samples.EIFFEL, 99), TerminalStyle.plain());
    assertThat(text).contains("51 of 100 rows are drawn, every 2nd counted from the last.");
    golden("lens-100-layers", text);
  }

  @Test
  void moreThan256ColumnsAreGroupedAndSaySo() {
    String text = Terminal.render(Samples.lens(Samples.manyTokens(300), 3), TerminalStyle.plain());
    assertThat(text)
        .contains("300 columns in groups of 2; a group shows its value of greatest magnitude.");
  }

  @ParameterizedTest
  @ValueSource(ints = {20, 40, 80, 200})
  void noLineIsWiderThanTheTerminal(int width) {
    for (View view : Samples.all()) {
      for (Color color : Color.values()) {
        for (boolean unicode : new boolean[] {true, false}) {
          assertFits(Terminal.render(view, new TerminalStyle(width, color, unicode)), width);
        }
      }
    }
    for (int n : new int[] {1, 14, 16, 40, 100, 300}) {
      for (Color color : Color.values()) {
        var style = new TerminalStyle(width, color, true);
        assertFits(Terminal.render(Samples.lens(Samples.manyTokens(n), 5), style), width);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {40, 80})
  void textOfStrangersNeitherActsNorBreaksTheLayout(int width) {
    for (String hostile : Hostile.STRINGS) {
      for (Color color : Color.values()) {
        for (boolean unicode : new boolean[] {true, false}) {
          var style = new TerminalStyle(width, color, unicode);
          String text = Terminal.render(Hostile.report(hostile), style);
          assertFits(text, width);
          if (color == Color.NONE) {
            assertThat(text).doesNotContain("\033");
          }
          String bare = text.replaceAll(ESCAPES, "");
          assertThat(bare.chars().filter(c -> c != '\n' && Character.isISOControl(c))).isEmpty();
          if (!unicode) {
            assertThat(bare.chars().filter(c -> c > 0x7e)).isEmpty();
          }
        }
      }
    }
  }

  private static void assertFits(String text, int width) {
    assertThat(text).endsWith("\n");
    for (String line : text.replaceAll(ESCAPES, "").split("\n", -1)) {
      assertThat(Legible.width(line)).as(line).isLessThanOrEqualTo(width);
    }
  }

  @Test
  void cellsOfDoubleWidthStayInTheirColumns() {
    Grid grid =
        Grid.real(
            List.of(Axis.index("layer", 1), Axis.of("position", List.of("日本", "x"))),
            new float[] {0.5f, 0.9f});
    HeatMap map =
        HeatMap.of("", "", grid, Scale.probability()).withLabels(List.of(List.of("東京", "y")));
    String[] lines = Terminal.render(map, TerminalStyle.plain()).split("\n", -1);
    assertThat(lines[0]).isEqualTo("  日本  x");
    assertThat(lines[1]).isEqualTo("0 5東京 9y");
  }

  @Test
  void theBestTokenIsWhereItsLayerAndPositionMeet() {
    String[] lines = Terminal.render(Samples.lens(), TerminalStyle.plain()).split("\n", -1);
    String heading = lines[2];
    String last = lines[3];
    assertThat(heading.stripTrailing()).endsWith("of");
    assertThat(last.stripLeading()).startsWith("29 ");
    assertThat(last.indexOf("7Paris")).isEqualTo(heading.lastIndexOf("of"));
  }

  @Test
  void cellsWithoutAValueAreDots() {
    Grid grid =
        Grid.real(
            List.of(Axis.index("layer", 1), Axis.index("position", 2)), new float[] {Float.NaN, 1});
    for (Color color : Color.values()) {
      String text =
          Terminal.render(
              HeatMap.of("", "", grid, Scale.probability()), new TerminalStyle(80, color, true));
      assertThat(text).contains("·").doesNotContain("NaN");
    }
  }

  @Test
  void oneCellIsEnough() {
    Grid grid =
        Grid.real(List.of(Axis.index("layer", 1), Axis.index("position", 1)), new float[] {0.5f});
    assertThat(
            Terminal.render(HeatMap.of("T", "", grid, Scale.probability()), TerminalStyle.plain()))
        .contains("0.50")
        .contains("probability");
  }

  @Test
  void emptyPicturesSaySo() {
    var none = Axis.index("x", 0);
    List<View> empty =
        List.of(
            HeatMap.of("", "", Grid.real(List.of(none, none), new float[0]), Scale.probability()),
            Lines.over("", "", none, Panel.of("u", Series.of("s", Grid.vector(none)))),
            new Tokens("", "", List.of(), Scale.probability()),
            new Ranking("", "", List.of(), "u"),
            Scatter.of("", "", "x", "y", List.of()),
            new View.Flow("", "", List.of(), List.of(), "u"),
            new Table("", "", List.of(), List.of()),
            new Table("", "", List.of("a"), List.of()),
            new Text("T", "", List.of()),
            new SmallMultiples("", "", List.of(), Scale.probability()));
    for (View view : empty) {
      for (Color color : Color.values()) {
        assertFits(Terminal.render(view, new TerminalStyle(80, color, true)), 80);
      }
      assertThat(Svg.render(view)).startsWith("<svg");
      assertThat(Png.render(view)).startsWith((byte) 0x89, (byte) 'P');
      assertThat(Json.render(view)).startsWith("{");
    }
  }

  private static void golden(String name, String actual) throws IOException {
    if (Boolean.getBoolean("fathom.update.goldens")) {
      Path source = Path.of("src/test/resources/dev/fathom/render/golden", name + ".txt");
      Files.writeString(source, actual);
      return;
    }
    try (var in = TerminalTest.class.getResourceAsStream("golden/" + name + ".txt")) {
      assertThat(in)
          .as("golden/%s.txt; write it with -Dfathom.update.goldens=true", name)
          .isNotNull();
      assertThat(actual).isEqualTo(new String(in.readAllBytes(), StandardCharsets.UTF_8));
    }
  }

  @Test
  void aPlaceOfAScatterShowsTheGroupWithTheMostPointsThere() {
    var points = new ArrayList<View.Point>();
    points.add(View.Point.of(0, 0, "", "few"));
    points.add(View.Point.of(1, 1, "", "few"));
    points.add(View.Point.of(0, 0, "", "many"));
    points.add(View.Point.of(0, 0, "", "many"));
    points.add(View.Point.of(0, 0, "", "few"));
    points.add(View.Point.of(0, 0, "", "many"));
    points.add(View.Point.of(1, 1, "", "last")); // as many as the first
    String picture =
        Terminal.render(Scatter.of("", "", "x", "y", points), TerminalStyle.plain())
            .lines()
            .filter(line -> line.contains("│") || line.contains("┤"))
            .collect(Collectors.joining());
    assertThat(picture).containsOnlyOnce("●").containsOnlyOnce("▲").doesNotContain("■");
    assertThat(picture.indexOf('●')).isLessThan(picture.indexOf('▲')); // few above, many below
  }

  @Test
  void aFrameShowsWhatIsInItAndOthersOnlyWhereNoGroupIs() {
    var points = new ArrayList<View.Point>();
    points.add(View.Point.of(0, 0, "", ""));
    points.add(View.Point.of(0, 0, "", ""));
    points.add(View.Point.of(0, 0, "", "one"));
    points.add(View.Point.of(1, 1, "", ""));
    points.add(View.Point.of(5, 5, "", "one"));
    String picture =
        Terminal.render(
            Scatter.of("", "", "x", "y", points).within(new View.Frame(-1, 2, -1, 2)),
            TerminalStyle.plain());
    assertThat(picture).contains("● one (1)", "· others (3)");
    String field =
        picture
            .lines()
            .filter(line -> line.contains("│") || line.contains("┤"))
            .collect(Collectors.joining());
    assertThat(field).containsOnlyOnce("●").containsOnlyOnce("·");
  }
}
