package dev.fathom.explain.causal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.Ablation.Part;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Numbers;
import dev.fathom.model.Pass;
import dev.fathom.model.Slice;
import dev.fathom.model.Taps;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// An answer of three tokens.
class AblationOfSeveralTokensTest {
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);
  private static final int[] IDS = TinyModel.idArray(5, 5);
  private static final int[] ANSWER = {7, 12, 3};

  /// One of each block order.
  static Stream<Variant> models() {
    var seen = EnumSet.noneOf(TinyModels.Order.class);
    return TinyModels.some(DType.F64).stream().filter(variant -> seen.add(variant.order()));
  }

  @ParameterizedTest
  @MethodSource("models")
  void itsEffectIsThatOnTheSumOfItsLogProbabilities(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var question = Question.of(Prompt.ofIds(NUMBERS, IDS), ANSWER[0]).measuredBy(Metric.LOG_PROB);
      var config = Ablation.Config.standard().of(Part.MLP, Part.HEAD);
      var more = List.of(ANSWER[1], ANSWER[2]);
      if (!variant.causal()) {
        assertThatThrownBy(() -> Ablation.run(model, NUMBERS, question, more, config))
            .hasMessageContaining("of a causal model");
        return;
      }
      var result = Ablation.run(model, NUMBERS, question, more, config);
      double clean = logProbability(model);
      assertThat(result.clean()).isCloseTo(clean, within(1e-9));
      assertThat(result.effect(Part.MLP).shape()).containsExactly(TinyModels.LAYERS, IDS.length);
      for (int layer = 0; layer < TinyModels.LAYERS; layer++) {
        var mlp = new Intervention.Zero(Slice.of(Kind.MLP_OUT, layer).at(3));
        var head = new Intervention.Zero(Slice.of(Kind.Z, layer).heads(2));
        assertThat(result.effect(Part.MLP).at(layer, 3))
            .isCloseTo(clean - logProbability(model, mlp), within(1e-5));
        assertThat(result.effect(Part.HEAD).at(layer, 2))
            .isCloseTo(clean - logProbability(model, head), within(1e-5));
      }
      assertThat(result.provenance().parameters()).containsEntry("target", "7123");
    }
  }

  /// Of the whole answer, in one forward pass.
  private static double logProbability(Transformer model, Intervention... changes) {
    int[] ids = Arrays.copyOf(IDS, IDS.length + ANSWER.length - 1);
    System.arraycopy(ANSWER, 0, ids, IDS.length, ANSWER.length - 1);
    try (var scope = Scope.withoutGradients()) {
      Pass pass = Pass.over(Layout.single(ids.length)).with(Taps.of(List.of(changes)));
      Tensor logP = model.forward(Tensor.of(ids, ids.length), pass).logSoftmax(-1);
      double sum = 0;
      for (int i = 0; i < ANSWER.length; i++) {
        sum += logP.select(0, IDS.length - 1 + i).toDoubles()[ANSWER[i]];
      }
      return sum;
    }
  }
}
