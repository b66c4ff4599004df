package dev.fathom.explain.causal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.data.Prompt;
import dev.fathom.data.TokenSpan;
import dev.fathom.explain.Question;
import dev.fathom.explain.attribute.Attribution;
import dev.fathom.explain.attribute.AttributionMethod;
import dev.fathom.explain.attribute.Filler;
import dev.fathom.explain.attribute.TokenAttribution;
import dev.fathom.model.Numbers;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Grid;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Random directions, heads at one position, and another prompt's tokens, in every block order.
class ControlsTest {
  private static final int LENGTH = 6;
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);
  private static final int[] IDS = TinyModel.idArray(LENGTH, 5);

  static Stream<Variant> variants() {
    return TinyModels.some(DType.F64).stream();
  }

  private static Question question() {
    return Question.of(Prompt.ofIds(NUMBERS, IDS), 7);
  }

  /// Differs in tokens 2 and 4.
  private static Prompt other() {
    int[] ids = IDS.clone();
    ids[2] = (ids[2] + 3) % TinyModels.VOCABULARY;
    ids[4] = (ids[4] + 2) % TinyModels.VOCABULARY;
    return Prompt.ofIds(NUMBERS, ids);
  }

  @Test
  void aRandomDirectionLeadsAsFarAsTheTrueOneAndElsewhere() {
    try (var scope = Scope.withoutGradients()) {
      Tensor from = Tensor.of(new double[] {1, 2, 3, 4}, 2, 2);
      Tensor to = Tensor.of(new double[] {1, 5, 3, 8}, 2, 2);
      Tensor away = new Bearings(1).away(from, to);
      assertThat(away.shape()).containsExactly(2, 2);
      assertThat(away.sub(from).square().sum().item()).isCloseTo(25, within(1e-9));
      assertThat(away.sub(to).square().sum().item()).isGreaterThan(1);
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void nothingMovesWhereTheOtherPromptHasTheSame(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var control = new Ablation.Instead.RandomDirection(question().prompt(), 1);
      var result =
          Ablation.run(model, NUMBERS, question(), Ablation.Config.standard().with(control));
      result
          .effects()
          .values()
          .forEach(map -> {
            for (float effect : map.values()) {
              assertThat((double) effect).isCloseTo(0, within(1e-6));
            }
          });
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void ofTheLastLayersHeadsOnlyWhatTheyWriteAtTheReadPositionCounts(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var config = Ablation.Config.standard().of(Ablation.Part.HEAD);
      Grid all = Ablation.run(model, NUMBERS, question(), config).effect(Ablation.Part.HEAD);
      Grid here =
          Ablation.run(
                  model, NUMBERS, question(), config.atPositions(List.of(question().position())))
              .effect(Ablation.Part.HEAD);
      int last = model.layers() - 1;
      for (int head = 0; head < TinyModels.HEADS; head++) {
        assertThat(here.at(last, head)).isCloseTo(all.at(last, head), within(1e-6));
      }
      assertThat(here).isNotEqualTo(all);
    }
  }

  @Test
  void tracingInRandomDirectionsIsNotTracing() {
    try (var tiny = TinyModels.of(TinyModels.some(DType.F64).getFirst())) {
      var config =
          CausalTracing.Config.standard(tiny.model())
              .of(CausalTracing.State.HIDDEN, CausalTracing.State.MLP)
              .withSamples(2);
      var subject = new TokenSpan(1, 2);
      var traced = CausalTracing.run(tiny.model(), NUMBERS, question(), subject, config);
      var control =
          CausalTracing.run(
              tiny.model(), NUMBERS, question(), subject, config.inRandomDirections());
      assertThat(control.low()).isEqualTo(traced.low());
      for (var state : List.of(CausalTracing.State.HIDDEN, CausalTracing.State.MLP)) {
        assertThat(control.indirectEffect(state)).isNotEqualTo(traced.indirectEffect(state));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void againstAnotherPromptOnlyWhatDiffersHasAScore(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      List<TokenAttribution> scores =
          Attribution.run(
                  tiny.model(),
                  NUMBERS,
                  question(),
                  List.of(
                      new AttributionMethod.Shap(Filler.OTHER, 100, 0),
                      new AttributionMethod.IntegratedGradients(
                          Filler.OTHER, AttributionMethod.Path.GAUSS_LEGENDRE, 64)),
                  Optional.of(other()))
              .attributions();
      double gap =
          Attribution.run(
                  tiny.model(),
                  NUMBERS,
                  question(),
                  List.of(new AttributionMethod.Occlusion(Filler.OTHER)),
                  Optional.of(question().prompt()))
              .attributions()
              .getFirst()
              .sum();
      assertThat(gap).isCloseTo(0, within(1e-6));
      for (TokenAttribution by : scores) {
        for (int t = 0; t < LENGTH; t++) {
          if (t != 2 && t != 4 && !Double.isNaN(by.scores().at(t))) {
            assertThat(by.scores().at(t)).as(by.title()).isCloseTo(0, within(1e-6));
          }
        }
      }
      assertThat(scores.getFirst().gap().orElseThrow()).isLessThan(1e-4);
      assertThat(scores.get(0).expected().orElseThrow())
          .isCloseTo(scores.get(1).expected().orElseThrow(), within(1e-6));
    }
  }

  @Test
  void theOtherPromptMustBeGivenAndAsLong() {
    try (var tiny = TinyModels.of(TinyModels.some(DType.F64).getFirst())) {
      List<AttributionMethod> methods = List.of(new AttributionMethod.Occlusion(Filler.OTHER));
      assertThatThrownBy(() -> Attribution.run(tiny.model(), NUMBERS, question(), methods))
          .hasMessageContaining("where another prompt is given");
      var shorter = Prompt.ofIds(NUMBERS, new int[] {1, 2});
      assertThatThrownBy(() ->
              Attribution.run(tiny.model(), NUMBERS, question(), methods, Optional.of(shorter)))
          .hasMessageContaining("has 2 tokens, this one 6");
    }
  }
}
