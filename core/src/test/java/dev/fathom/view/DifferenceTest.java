package dev.fathom.view;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class DifferenceTest {
  private static final Axis LAYERS = Axis.index("layer", 2);
  private static final Axis TOKENS = Axis.of("position", List.of("a", "b"));

  private static Grid map(float... values) {
    return Grid.real(List.of(LAYERS, TOKENS), values);
  }

  @Test
  void aMapOfDifferencesIsTheSecondLessTheFirst() {
    var a =
        View.HeatMap.of("Effect", "Which?", map(1, 2, 3, 4), Scale.sequential("logits"))
            .withUnscaled(Set.of(0))
            .bottomUp();
    var b = View.HeatMap.of("Effect", "Which?", map(1, 0, 5, 4), Scale.sequential("logits"));
    assertThat(Difference.view(a, b))
        .hasValueSatisfying(view -> {
          var map = (View.HeatMap) view;
          assertThat(map.title()).isEqualTo("Effect, B − A");
          assertThat(map.values()).isEqualTo(map(0, -2, 2, 0));
          assertThat(map.scale()).isEqualTo(Scale.diverging("logits"));
          assertThat(map.unscaled()).containsExactly(0);
          assertThat(map.rowsBottomUp()).isTrue();
          assertThat(map.details(0, 1)).containsExactly("A 2.000 ", "B 0.000 ");
        });
  }

  @Test
  void curvesKeepBothSidesAndAddTheirDifference() {
    var view = Difference.view(lines(1, 2), lines(4, 2)).orElseThrow();
    var panels = ((View.Lines) view).panels();
    assertThat(panels).extracting(View.Panel::unit).containsExactly("p", "p, B − A", "rank");
    assertThat(panels.getFirst().series())
        .extracting(View.Series::name)
        .containsExactly("A: x", "B: x");
    assertThat(panels.get(1).series().getFirst().values().values()).containsExactly(3, 0);
  }

  private static View lines(float... values) {
    var series = View.Series.of("x", Grid.vector(LAYERS, values));
    return View.Lines.over(
        "L", "", LAYERS, View.Panel.of("p", series), View.Panel.logarithmic("rank", series));
  }

  @Test
  void barsTokensAndTablesAreComparedByTheirLabels() {
    var a =
        new View.Ranking("R", "", List.of(View.Item.of("x", 1), View.Item.of("y", 2)), "logits");
    var b =
        new View.Ranking("R", "", List.of(View.Item.of("y", 5), View.Item.of("z", 2)), "logits");
    assertThat(((View.Ranking) Difference.view(a, b).orElseThrow()).items())
        .extracting(View.Item::label, View.Item::value)
        .containsExactly(org.assertj.core.groups.Tuple.tuple("y", 3.0));
    var s = new View.Tokens("T", "", List.of(View.Token.of("a", 1)), Scale.sequential("layer"));
    var t = new View.Tokens("T", "", List.of(View.Token.of("a", 3)), Scale.sequential("layer"));
    assertThat(((View.Tokens) Difference.view(s, t).orElseThrow()).tokens().getFirst().value())
        .isEqualTo(2);
    assertThat(((View.Table) Difference.view(table("x", 1), table("x", 2)).orElseThrow()).rows())
        .hasSize(2);
    assertThat(Difference.view(table("x", 1), table("y", 2))).isEmpty();
  }

  private static View table(String name, double value) {
    return new View.Table(
        "T",
        "",
        List.of("name", "value"),
        List.of(List.of(View.Cell.of(name), View.Cell.of(value))));
  }

  @Test
  void whatHasOtherAxesOrNoNumbersHasNoDifference() {
    Grid other = Grid.real(List.of(Axis.index("layer", 1), TOKENS), new float[2]);
    var a = View.HeatMap.of("M", "", map(1, 2, 3, 4), Scale.probability());
    var b = View.HeatMap.of("M", "", other, Scale.probability());
    assertThat(Difference.view(a, b)).isEmpty();
    assertThat(Difference.view(View.Text.of("T", "x"), View.Text.of("T", "y"))).isEmpty();
    assertThat(Difference.views(List.of(a), List.of(View.Text.of("M", ""), a))).hasSize(1);
    assertThat(Difference.grid(map(1, 2, 3, 4), other)).isEmpty();
  }

  @Test
  void arraysOfAmountsHaveDifferencesAndIdsHaveNone() {
    var a = new LinkedHashMap<String, Grid>();
    a.put("lens_top5_id", Grid.integer(List.of(LAYERS), new long[] {1, 2}));
    a.put("rank", Grid.integer(List.of(LAYERS), new long[] {1, 2}));
    a.put("p", map(1, 2, 3, 4));
    a.put("gone", map(1, 2, 3, 4));
    var b = new LinkedHashMap<>(a);
    b.put("rank", Grid.integer(List.of(LAYERS), new long[] {5, 0}));
    b.remove("gone");
    assertThat(Difference.arrays(a, b).keySet()).containsExactly("difference_rank", "difference_p");
    Grid rank = Difference.arrays(a, b).getOrDefault("difference_rank", map(0, 0, 0, 0));
    assertThat(rank.integers()).containsExactly(4, -2);
    assertThat(Difference.largest(rank)).isEqualTo(4);
  }
}
