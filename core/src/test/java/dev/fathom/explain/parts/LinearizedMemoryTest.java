package dev.fathom.explain.parts;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Question;
import dev.fathom.explain.parts.TokenDecomposition.Gated;
import dev.fathom.model.Numbers;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Handles;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What the methods over [FrozenRun] leave behind: no native object.
class LinearizedMemoryTest {
  /// One of each block order.
  static Stream<Variant> variants() {
    List<Variant> some = TinyModels.some(DType.F32);
    return Stream.of(0, 6, 12, 18).map(some::get);
  }

  @ParameterizedTest
  @MethodSource("variants")
  void nothingNativeIsLeftBehind(Variant variant) {
    var numbers = new Numbers(TinyModels.VOCABULARY);
    Question question = Question.of(Prompt.ofIds(numbers, TinyModel.idArray(8, 1)), 7);
    try (var tiny = TinyModels.of(variant)) {
      for (int turn = 0; turn < 3; turn++) {
        long before = Handles.open();
        TokenDecomposition.run(
            tiny.model(), numbers, question, TokenDecomposition.Config.standard());
        TokenDecomposition.scores(tiny.model(), numbers, question, Gated.SYMMETRIC);
        DirectLogitAttribution.run(tiny.model(), numbers, question);
        ComponentLens.heads(tiny.model(), numbers, question, ComponentLens.Config.standard());
        assertThat(Handles.open()).as("after turn %d", turn).isLessThanOrEqualTo(before);
      }
    }
  }
}
