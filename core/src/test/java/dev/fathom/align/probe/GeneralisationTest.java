package dev.fathom.align.probe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.Kind;
import dev.fathom.model.Slice;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class GeneralisationTest {
  private static Generalisation of(float... auc) {
    int n = (int) Math.sqrt(auc.length);
    List<Slice> layers = IntStream.range(0, n).mapToObj(l -> Slice.of(Kind.RESID_POST, l)).toList();
    return new Generalisation(
        layers, Grid.real(List.of(Axis.index("probe", n), Axis.index("layer", n)), auc));
  }

  private static final Generalisation FOUND =
      of(
          0.95f, 0.92f, 0.50f, //
          0.91f, 0.90f, 0.60f, //
          0.40f, 0.95f, 0.70f);

  @Test
  void aSpanHoldsTheProbesThatReadTheLayer() {
    assertThat(FOUND.spans(new SpanRule.Threshold(0.9)))
        .containsExactly(List.of(0, 1), List.of(0, 2), List.of());
    assertThat(FOUND.spans(new SpanRule.Threshold(0))).allSatisfy(s -> assertThat(s).hasSize(3));
    assertThat(FOUND.spans(new SpanRule.Relative(0.8)))
        .containsExactly(List.of(0, 1), List.of(0, 1, 2), List.of(1, 2));
    assertThat(FOUND.spans(new SpanRule.Quantile(0.34)))
        .containsExactly(List.of(0), List.of(2), List.of(2));
    assertThat(FOUND.spans(new SpanRule.Quantile(0.6)))
        .containsExactly(List.of(0, 1), List.of(0, 2), List.of(1, 2));
    assertThat(FOUND.spans(new SpanRule.Own())).containsExactly(List.of(0), List.of(1), List.of(2));
  }

  @Test
  void aLayerThatNoProbeReadsMayHaveItsOwn() {
    assertThat(FOUND.spansOrOwn(new SpanRule.Threshold(0.9)))
        .containsExactly(List.of(0, 1), List.of(0, 2), List.of(2));
  }

  @Test
  void aMatrixOfOtherLayersIsRefused() {
    assertThatThrownBy(() -> new Generalisation(FOUND.layers().subList(0, 2), FOUND.auc()))
        .hasMessageContaining("the probes of 2 layers");
    assertThatThrownBy(() -> new SpanRule.Quantile(0)).hasMessageContaining("above 0");
  }
}
