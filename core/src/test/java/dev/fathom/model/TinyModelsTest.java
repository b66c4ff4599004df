package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import java.util.HashSet;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TinyModelsTest {
  static Stream<TinyModels.Variant> variants() {
    return Stream.of(DType.F64, DType.F32).flatMap(d -> TinyModels.every(d).stream());
  }

  @ParameterizedTest
  @MethodSource("variants")
  void everyVariantComputesFiniteLogits(TinyModels.Variant variant) {
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      var logits = tiny.model().forward(tiny.ids(5), Pass.over(Layout.single(5)));
      assertThat(logits.shape()).containsExactly(5, TinyModels.VOCABULARY);
      var distinct = new HashSet<Float>();
      for (float logit : logits.toFloats()) {
        assertThat(logit).isFinite();
        distinct.add(logit);
      }
      assertThat(distinct).hasSizeGreaterThan(100);
    }
  }
}
