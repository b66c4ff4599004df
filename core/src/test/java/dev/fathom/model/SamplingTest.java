package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.model.Sampling.Candidate;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SamplingTest {
  /// Probabilities 0.5, 0.25, 0.125, 0.125.
  private static float[] halves() {
    return new float[] {log(0.5), log(0.25), log(0.125), log(0.125)};
  }

  private static float log(double p) {
    return (float) Math.log(p);
  }

  private static List<Integer> kept(Sampling sampling, float... logits) {
    return sampling.candidates(logits).stream().map(Candidate::id).sorted().toList();
  }

  @Test
  void withoutFiltersEverythingIsKept() {
    assertThat(kept(Sampling.at(1, 0), halves())).containsExactly(0, 1, 2, 3);
  }

  @Test
  void temperatureFlattensOrSharpens() {
    var flat = Sampling.at(2, 0).candidates(halves());
    assertThat(flat.get(1).weight()).isCloseTo(Math.sqrt(0.5), within(1e-6));
    var sharp = Sampling.at(0.5, 0).candidates(halves());
    assertThat(sharp.get(1).weight()).isCloseTo(0.25, within(1e-6));
  }

  @Test
  void topKKeepsTheKLikeliestAndTheirEquals() {
    var one = Sampling.at(1, 0);
    assertThat(kept(one.withTopK(1), halves())).containsExactly(0);
    assertThat(kept(one.withTopK(2), halves())).containsExactly(0, 1);
    assertThat(kept(one.withTopK(3), halves())).containsExactly(0, 1, 2, 3); // a tie
    assertThat(kept(one.withTopK(99), halves())).containsExactly(0, 1, 2, 3);
  }

  @ParameterizedTest
  @CsvSource({"0.01,1", "0.499,1", "0.501,2", "0.749,2", "0.751,3", "0.874,3", "0.876,4", "1,4"})
  void topPKeepsTheSmallestSetThatReachesIt(double topP, int kept) {
    assertThat(kept(Sampling.at(1, 0).withTopP(topP), halves())).hasSize(kept);
  }

  @Test
  void topPPrefersTheSmallerIdOfEquals() {
    assertThat(kept(Sampling.at(1, 0).withTopP(0.3), 1, 1, 1, 1)).containsExactly(0, 1);
  }

  @Test
  void topPCountsWhatTopKLeft() {
    // of 0.5 and 0.25 alone the first has two thirds
    assertThat(kept(Sampling.at(1, 0).withTopK(2).withTopP(0.6), halves())).containsExactly(0);
    assertThat(kept(Sampling.at(1, 0).withTopP(0.6), halves())).containsExactly(0, 1);
  }

  @Test
  void minPKeepsWhatIsLikelyBesideTheLikeliest() {
    var one = Sampling.at(1, 0);
    assertThat(kept(one.withMinP(0.2), halves())).containsExactly(0, 1, 2, 3);
    assertThat(kept(one.withMinP(0.3), halves())).containsExactly(0, 1);
    assertThat(kept(one.withMinP(0.6), halves())).containsExactly(0);
    assertThat(kept(one.withMinP(1), halves())).containsExactly(0);
  }

  @Test
  void theTemperatureComesBeforeTheFilters() {
    assertThat(kept(Sampling.at(2, 0).withMinP(0.6), halves())).containsExactly(0, 1);
    assertThat(kept(Sampling.at(0.5, 0).withMinP(0.3), halves())).containsExactly(0);
  }

  @Test
  void impossibleTokensAreNeverKept() {
    assertThat(kept(Sampling.at(1, 0), 0, Float.NEGATIVE_INFINITY, 0)).containsExactly(0, 2);
    assertThat(
            kept(
                Sampling.at(1, 0).withTopK(2), Float.NEGATIVE_INFINITY, 3, Float.NEGATIVE_INFINITY))
        .containsExactly(1);
  }

  @Test
  void logitsThatAreNoNumbersAreRefused() {
    for (float odd : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
      assertThatThrownBy(() -> Sampling.at(1, 0).candidates(new float[] {odd, 1}))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("overflowed");
    }
  }

  @Test
  void theRepetitionPenaltyLowersWhatTheRowHas() {
    float[] logits = {2, -1, 3, 0};
    Sampling.GREEDY.withRepetitionPenalty(2).penalize(logits, Set.of(0, 1, 3));
    assertThat(logits).containsExactly(1, -2, 3, 0);
    float[] again = {3, 2};
    int chosen =
        Sampling.GREEDY.withRepetitionPenalty(2).choose(again, Set.of(0), new SplittableRandom(1));
    assertThat(chosen).isEqualTo(1);
  }

  @Test
  void greedyTakesTheFirstOfEquals() {
    assertThat(Sampling.GREEDY.choose(new float[] {1, 4, 4}, Set.of(), new SplittableRandom(1)))
        .isEqualTo(1);
  }

  @Test
  void drawsFollowTheProbabilities() {
    var random = new SplittableRandom(7);
    var sampling = Sampling.at(1, 0).withTopK(6);
    double[] expected = {0.3, 0.25, 0.2, 0.15, 0.07, 0.03};
    float[] logits = new float[expected.length];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = log(expected[i]) + 5;
    }
    int draws = 20_000;
    int[] counts = new int[expected.length];
    for (int i = 0; i < draws; i++) {
      counts[sampling.choose(logits.clone(), Set.of(), random)]++;
    }
    double chiSquare = 0;
    for (int i = 0; i < counts.length; i++) {
      double mean = draws * expected[i];
      chiSquare += (counts[i] - mean) * (counts[i] - mean) / mean;
    }
    assertThat(chiSquare).isLessThan(20.5); // 5 degrees of freedom, one in a thousand
  }

  @Test
  void valuesOutOfRangeAreRefused() {
    assertThatThrownBy(() -> Sampling.at(-1, 0))
        .hasMessageContaining("temperature should be from 0");
    assertThatThrownBy(() -> Sampling.at(Double.NaN, 0)).hasMessageContaining("temperature");
    assertThatThrownBy(() -> Sampling.GREEDY.withTopK(-1)).hasMessageContaining("top-k");
    assertThatThrownBy(() -> Sampling.GREEDY.withTopP(0)).hasMessageContaining("top-p");
    assertThatThrownBy(() -> Sampling.GREEDY.withTopP(1.1)).hasMessageContaining("top-p");
    assertThatThrownBy(() -> Sampling.GREEDY.withMinP(2)).hasMessageContaining("min-p");
    assertThatThrownBy(() -> Sampling.GREEDY.withRepetitionPenalty(0))
        .hasMessageContaining("repetition penalty");
  }
}
