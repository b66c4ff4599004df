package dev.fathom.explain.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.data.Prompt;
import dev.fathom.explain.HeadIndex;
import dev.fathom.explain.Runs;
import dev.fathom.model.Kind;
import dev.fathom.model.Numbers;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.view.Grid;
import dev.fathom.view.View;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Patterns, sinks and head scores.
class AttentionPatternsTest {
  private static final int LENGTH = 12;
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);
  private static final Offset<Double> NEAR = Offset.offset(1e-6);

  static Stream<Variant> variants() {
    return TinyModels.some(DType.F64).stream();
  }

  private static Prompt prompt(int length) {
    return Prompt.ofIds(NUMBERS, TinyModel.idArray(length, 3));
  }

  @ParameterizedTest
  @MethodSource("variants")
  void patternsAreThoseOfTheRun(Variant variant) {
    try (var tiny = TinyModels.of(variant);
        var scope = Scope.withoutGradients()) {
      var result = AttentionPatterns.run(tiny.model(), NUMBERS, prompt(5));
      Runs runs = Runs.of(tiny.model(), prompt(5).ids(), Kind.PATTERN);
      for (int layer = 0; layer < TinyModels.LAYERS; layer++) {
        assertThat(result.attention().select(0, layer).values())
            .isEqualTo(runs.at(Kind.PATTERN, layer, 0).toFloats());
      }
    }
  }

  @Test
  void aPageShowsEveryHeadAndOnDemandSomeLarge() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var result = AttentionPatterns.run(tiny.model(), NUMBERS, prompt(5));
      var page = (View.SmallMultiples) result.views().getFirst();
      assertThat(page.panels()).hasSize(TinyModels.LAYERS * TinyModels.HEADS);
      assertThat(page.panels()).allSatisfy(panel -> assertThat(panel.unscaled()).contains(0));
      var large = result.showing(List.of(HeadIndex.parse("2.1"), HeadIndex.parse("0.h3")));
      assertThat(large.views())
          .extracting(View::title)
          .containsExactly("Attention of head 2.1", "Attention of head 0.3");
      assertThatThrownBy(() -> HeadIndex.parse("3.0").in(tiny.model()))
          .hasMessage("There is no head 3.0: this model has layers 0 to 2 with heads 0 to 3.");
      assertThatThrownBy(() -> HeadIndex.parse("20"))
          .hasMessageContaining("expected layer and head, such as 20.3");
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void sinkMassIsTheMeanShareOfTheFirstTokens(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      Grid attention = AttentionPatterns.run(tiny.model(), NUMBERS, prompt(LENGTH)).attention();
      var sinks = AttentionSinks.run(tiny.model(), NUMBERS, prompt(LENGTH), 4, 8);
      for (int head = 0; head < TinyModels.HEADS; head++) {
        double mass = 0;
        for (int q = 8; q < LENGTH; q++) {
          for (int k = 0; k < 4; k++) {
            mass += attention.at(1, head, q, k) / (LENGTH - 8);
          }
        }
        assertThat(sinks.mass().at(1, head)).isCloseTo(mass, NEAR);
      }
      double all = 0;
      for (int k = 0; k < LENGTH; k++) {
        all += sinks.keys().at(2, k);
      }
      assertThat(all).isCloseTo(1, NEAR);
    }
  }

  @Test
  void aPromptWithoutLateQueriesHasNoSinkMeasure() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      assertThatThrownBy(() -> AttentionSinks.run(tiny.model(), NUMBERS, prompt(8), 4, 8))
          .hasMessageContaining("The prompt has 8 tokens, but sinks are measured from token 8 on");
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void headScoresAreMeansOverTheStripesOfTheirJobs(Variant variant) {
    int n = 5;
    try (var tiny = TinyModels.of(variant)) {
      var config = new HeadScores.Config(n, 2, 7);
      List<int[]> rows = HeadScores.repeated(tiny.model(), NUMBERS, config);
      double[] expected = new double[3];
      for (int[] row : rows) {
        assertThat(row).hasSize(2 * n).startsWith(java.util.Arrays.copyOfRange(row, n, 2 * n));
        Grid attention =
            AttentionPatterns.run(tiny.model(), NUMBERS, Prompt.ofIds(NUMBERS, row)).attention();
        for (int t = 1; t < 2 * n; t++) {
          expected[1] += attention.at(1, 2, t, t - 1) / (2 * n - 1) / 2;
          if (t >= n) {
            expected[0] += attention.at(1, 2, t, t - n + 1) / n / 2;
            expected[2] += attention.at(1, 2, t, t - n) / n / 2;
          }
        }
      }
      var scores = HeadScores.run(tiny.model(), NUMBERS, config).scores();
      int i = 0;
      for (var job : HeadScores.Job.values()) {
        assertThat(Objects.requireNonNull(scores.get(job)).at(1, 2))
            .as(job.title())
            .isCloseTo(expected[i++], NEAR);
      }
    }
  }

  @Test
  void copiesThatDoNotFitAreRefused() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      assertThatThrownBy(
              () -> HeadScores.run(tiny.model(), NUMBERS, new HeadScores.Config(33, 1, 0)))
          .hasMessageContaining("do not fit this model, which reads 64 tokens");
    }
  }
}
