package dev.fathom.explain.lens;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.data.Prompt;
import dev.fathom.model.Layout;
import dev.fathom.model.Numbers;
import dev.fathom.model.Pass;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class LogitLensTest {
  private static final int POSITIONS = 9;
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);

  static List<Variant> variants() {
    return TinyModels.some(DType.F32);
  }

  private static Prompt prompt(int positions) {
    return Prompt.ofIds(NUMBERS, TinyModel.idArray(positions, 5));
  }

  private static LensResult lens(TinyModel tiny, int target) {
    return LogitLens.run(
        tiny.model(),
        NUMBERS,
        prompt(POSITIONS),
        LogitLens.Config.standard().withTarget(target).keeping(50));
  }

  @ParameterizedTest
  @MethodSource("variants")
  void theLastRowIsTheModelsOwnPrediction(Variant variant) {
    try (var tiny = TinyModels.of(variant);
        var scope = Scope.withoutGradients()) {
      var result = lens(tiny, 7);
      float[] p =
          tiny.model()
              .forward(
                  dev.fathom.tensor.Tensor.of(prompt(POSITIONS).ids(), POSITIONS),
                  Pass.over(Layout.single(POSITIONS)))
              .softmax(-1)
              .toFloats();
      int vocab = tiny.model().outputs();
      int last = tiny.model().layers();
      for (int t = 0; t < POSITIONS; t++) {
        assertThat(result.targetProbability().at(last, t))
            .isEqualTo(p[t * vocab + 7], within(1e-5));
        assertThat(result.divergence().at(last, t)).isEqualTo(0, within(1e-5));
        assertThat(result.topProbability().at(last, t, 0))
            .isEqualTo(p[t * vocab + result.top(last, t)], within(1e-5));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void everyCellIsADistributionRankedFromTheTop(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      var result = lens(tiny, 11);
      for (int row = 0; row < result.rows(); row++) {
        for (int t = 0; t < POSITIONS; t++) {
          double sum = 0;
          double entropy = 0;
          int better = 0;
          for (int k = 0; k < 50; k++) {
            double p = result.topProbability().at(row, t, k);
            sum += p;
            entropy -= p * Math.log(p);
            better += p > result.targetProbability().at(row, t) ? 1 : 0;
            if (k > 0) {
              assertThat(p).isLessThanOrEqualTo(result.topProbability().at(row, t, k - 1));
            }
          }
          assertThat(sum).isEqualTo(1, within(1e-5));
          assertThat(result.entropy().at(row, t)).isEqualTo(entropy, within(1e-4));
          assertThat(result.targetRank().at(row, t)).isEqualTo(better);
          assertThat(result.targetRank().at(row, t) == 0).isEqualTo(result.top(row, t) == 11);
          assertThat(result.divergence().at(row, t)).isNotNegative();
        }
      }
    }
  }

  @Test
  void arraysOfTheBestTokensTellHowManyTheyAre() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      var prompt = Prompt.ofIds(new Numbers(50), new int[] {3, 1, 4});
      for (int kept : new int[] {5, 3}) {
        var config = LogitLens.Config.standard().keeping(kept);
        assertThat(LogitLens.run(tiny.model(), new Numbers(50), prompt, config).arrays())
            .containsKeys("lens_top%d_id".formatted(kept), "lens_top%d_prob".formatted(kept));
      }
    }
  }

  @Test
  void aTargetOutsideTheVocabularyIsRefused() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      assertThatThrownBy(() -> lens(tiny, 50))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("target 50");
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void commitDepthIsTheFirstRowFromWhichNothingChanges(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      var lens = lens(tiny, 3);
      var profile = ExitProfile.of(lens, true);
      int last = lens.rows() - 1;
      for (int t = 0; t < POSITIONS; t++) {
        int depth = (int) profile.commitDepth().at(t);
        for (int row = depth; row <= last; row++) {
          assertThat(lens.top(row, t)).isEqualTo(lens.top(last, t));
        }
        if (depth > 0) {
          assertThat(lens.top(depth - 1, t)).isNotEqualTo(lens.top(last, t));
        }
      }
      assertThat(profile.agreement().at(last)).isEqualTo(1, within(1e-6));
      assertThat(profile.thresholds())
          .isSortedAccordingTo(
              java.util.Comparator.comparingDouble(ExitProfile.Threshold::meanRow));
    }
  }
}
