package dev.fathom.view;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.view.View.HeatMap;
import dev.fathom.view.View.Panel;
import dev.fathom.view.View.Series;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;

class ViewTest {
  private static HeatMap map(Scale scale, float... values) {
    Grid grid =
        Grid.real(List.of(Axis.index("layer", 1), Axis.index("position", values.length)), values);
    return HeatMap.of("title", "question", grid, scale);
  }

  @Test
  void aDivergingScaleReachesAsFarOnBothSides() {
    Scale scale = map(Scale.diverging("logits"), -1, 4).fitted();
    assertThat(scale.low()).isEqualTo(-4);
    assertThat(scale.high()).isEqualTo(4);
    assertThat(scale.position(-1)).isEqualTo(-0.25);
    assertThat(scale.position(0)).isZero();
    assertThat(scale.position(100)).isEqualTo(1);
  }

  @Test
  void aSequentialScaleStartsAtZeroUnlessValuesAreNegative() {
    assertThat(map(Scale.sequential("nats"), 2, 5).fitted().low()).isZero();
    assertThat(map(Scale.sequential("nats"), -2, 5).fitted().low()).isEqualTo(-2);
  }

  @Test
  void columnsLeftOutDoNotStretchTheRange() {
    HeatMap map = map(Scale.diverging("logits"), 1000, 2, -1).withUnscaled(Set.of(0));
    assertThat(map.fitted().high()).isEqualTo(2);
  }

  @Test
  void nanAndInfinityDoNotCount() {
    Scale scale =
        Scale.sequential("x").fit(DoubleStream.of(Double.NaN, 3, Double.POSITIVE_INFINITY));
    assertThat(scale.high()).isEqualTo(3);
    assertThat(scale.position(Double.NaN)).isNaN();
    assertThat(scale.position(Double.POSITIVE_INFINITY)).isEqualTo(1);
  }

  @Test
  void aScaleWithoutAnyValueStillHasEnds() {
    for (Scale scale :
        List.of(Scale.sequential("x"), Scale.diverging("x"), Scale.logarithmic("x"))) {
      assertThat(scale.fit(DoubleStream.empty()).high()).isEqualTo(1);
      assertThat(scale.fit(DoubleStream.of(0)).position(0)).isZero();
    }
  }

  @Test
  void aLogarithmicScaleTellsSmallRanksApart() {
    Scale scale = Scale.logarithmic("rank").fit(DoubleStream.of(0, 9, 999));
    assertThat(scale.position(0)).isZero();
    assertThat(scale.position(9)).isCloseTo(1.0 / 3, within(1e-9));
    assertThat(scale.position(999)).isEqualTo(1);
  }

  @Test
  void labelsMustHaveTheShapeOfTheGrid() {
    assertThatThrownBy(
            () -> map(Scale.probability(), 1, 2).withLabels(List.of(List.of("only one"))))
        .hasMessageContaining("labels of a heat map must be 1 rows of 2");
    assertThatThrownBy(
            () -> HeatMap.of("", "", Grid.vector(Axis.index("x", 1), 1), Scale.probability()))
        .hasMessageContaining("two axes");
  }

  @Test
  void curvesMustHaveAPointForEachX() {
    var series = Series.of("p", Grid.vector(Axis.index("layer", 1), 1));
    assertThatThrownBy(
            () -> View.Lines.over("", "", Axis.index("layer", 2), Panel.of("unit", series)))
        .hasMessageContaining("series p has 1 values for 2 points");
  }

  @Test
  void viewsKeepTheirOwnCopies() {
    var labels = new ArrayList<List<String>>();
    labels.add(new ArrayList<>(List.of("a", "b")));
    HeatMap map = map(Scale.probability(), 1, 2).withLabels(labels);
    labels.getFirst().set(0, "changed");
    assertThat(map.label(0, 0)).isEqualTo("a");
  }

  @Test
  void provenanceKeepsTheOrderOfItsParameters() {
    var parameters = new LinkedHashMap<String, String>();
    parameters.put("z", "1");
    parameters.put("a", "2");
    var provenance =
        new Provenance(
            "m", "", "1", List.of(), List.of(), parameters, OptionalLong.empty(), "f32", 0, 0);
    parameters.put("later", "3");
    assertThat(provenance.parameters().keySet()).containsExactly("z", "a");
  }

  @Test
  void aReportRefusesTwoSectionsOfOneName() {
    var section = Section.of("lens", "Lens", "", List.of());
    var provenance =
        new Provenance(
            "m",
            "",
            "1",
            List.of(),
            List.of(),
            new LinkedHashMap<>(),
            OptionalLong.empty(),
            "f32",
            0,
            0);
    assertThatThrownBy(() -> new Report("t", "", List.of(), List.of(section, section), provenance))
        .hasMessageContaining("two sections have the id 'lens'");
    assertThatThrownBy(() -> Section.of("not a name", "", "", List.of()))
        .hasMessageContaining("letters, digits and hyphens");
  }
}
