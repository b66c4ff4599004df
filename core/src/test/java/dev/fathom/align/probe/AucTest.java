package dev.fathom.align.probe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.References;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class AucTest {
  private static final boolean[] LABELS = {true, false, true, true, false, false, true, false};
  private static final double[] SCORES = {3, 1, 2, 2, 2, 0, -1, 5};

  /// Every pair, as the definition says.
  private static double byPairs(double[] scores, boolean[] positive) {
    double sum = 0;
    double pairs = 0;
    for (int i = 0; i < scores.length; i++) {
      for (int j = 0; j < scores.length; j++) {
        if (positive[i] && !positive[j]) {
          pairs++;
          sum += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
        }
      }
    }
    return sum / pairs;
  }

  @Test
  void itIsTheShareOfPairsInOrder() {
    assertThat(Auc.value(SCORES, LABELS)).isEqualTo(byPairs(SCORES, LABELS));
    var random = new Random(1);
    double[] scores = random.doubles(90).map(s -> Math.rint(s * 12) - 6).toArray();
    scores[3] = -0.0;
    assertThat(Auc.value(scores, Planted.coins(90, 2)))
        .isEqualTo(byPairs(scores, Planted.coins(90, 2)));
  }

  @Test
  void itIsTheReferences() {
    try (var reference = References.open("probe/reference.safetensors")) {
      double[] expected = reference.doubles("auc");
      int at = 0;
      for (String name : new String[] {"overlapping.y", "separable.y"}) {
        long[] values = reference.longs(name);
        boolean[] labels = new boolean[values.length];
        for (int i = 0; i < labels.length; i++) {
          labels[i] = values[i] == 1;
        }
        assertThat(Auc.value(reference.doubles("scores"), labels))
            .isCloseTo(expected[at++], within(1e-12));
      }
    }
  }

  @Test
  void onlyTheOrderOfScoresCounts() {
    double[] bent = Arrays.stream(SCORES).map(s -> Math.exp(3 * s) + 4).toArray();
    assertThat(Auc.of(bent, LABELS)).isEqualTo(Auc.of(SCORES, LABELS));
    double[] turned = Arrays.stream(SCORES).map(s -> -s).toArray();
    Auc there = Auc.of(SCORES, LABELS);
    Auc back = Auc.of(turned, LABELS);
    assertThat(back.value()).isCloseTo(1 - there.value(), within(1e-12));
    assertThat(back.low()).isCloseTo(1 - there.high(), within(1e-9));
  }

  @Test
  void constantScoresAreChance() {
    assertThat(Auc.value(new double[8], LABELS)).isEqualTo(0.5);
  }

  @Test
  void aPerfectOrderStillHasAnInterval() {
    double[] perfect = new double[8];
    for (int i = 0; i < 8; i++) {
      perfect[i] = LABELS[i] ? 1 : 0;
    }
    Auc auc = Auc.of(perfect, LABELS);
    assertThat(auc.value()).isEqualTo(1);
    assertThat(auc.high()).isEqualTo(1);
    assertThat(auc.low()).isBetween(0.4, 0.8);
  }

  /// Two normal distributions whose area is known; 95 of 100 intervals should hold it.
  @Test
  void theIntervalHoldsTheTruthAboutAsOftenAsItSays() {
    double truth = 0.7602; // Φ(1 / √2)
    var random = new Random(3);
    int held = 0;
    for (int trial = 0; trial < 1000; trial++) {
      boolean[] positive = new boolean[60];
      double[] scores = new double[60];
      for (int i = 0; i < 60; i++) {
        positive[i] = i < 20;
        scores[i] = random.nextGaussian() + (positive[i] ? 1 : 0);
      }
      Auc auc = Auc.of(scores, positive);
      held += auc.low() <= truth && truth <= auc.high() ? 1 : 0;
    }
    assertThat(held).isBetween(925, 985);
  }

  @Test
  void itNeedsBothClassesAndNumbers() {
    assertThatThrownBy(() -> Auc.of(new double[3], new boolean[3]))
        .hasMessageContaining("3 scores, 0 positive and 3 negative");
    double[] scores = SCORES.clone();
    scores[5] = Double.NaN;
    assertThatThrownBy(() -> Auc.of(scores, LABELS)).hasMessageContaining("example 5");
  }
}
