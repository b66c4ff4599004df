package dev.fathom.concepts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

/// Planted: `h± = ±a u + N(0, 1)` in 32 dimensions with one nuisance axis twice as wide.
class ReadingTest {
  private static final int WIDTH = 32;
  private static final int PAIRS = 60;
  private static final double[] CONCEPT = axis(3, 8);

  private static double[] axis(int... places) {
    double[] axis = new double[WIDTH];
    for (int place : places) {
      axis[place] = 1 / Math.sqrt(places.length);
    }
    return axis;
  }

  private static double[] side(int sign, int pairs, Random random) {
    double[] all = new double[pairs * WIDTH];
    for (int i = 0; i < all.length; i++) {
      int c = i % WIDTH;
      double noise = random.nextGaussian() * (c == 20 ? 2 : 1);
      all[i] = 5 + noise + sign * 2 * CONCEPT[c];
    }
    return all;
  }

  private static double[] plus() {
    return side(1, PAIRS, new Random(1));
  }

  private static double[] minus() {
    return side(-1, PAIRS, new Random(2));
  }

  private static Reading.Read read(Reading reading, double[] plus, double[] minus) {
    try (var scope = Scope.withoutGradients()) {
      return reading.of(
          Tensor.of(plus, plus.length / WIDTH, WIDTH),
          Tensor.of(minus, minus.length / WIDTH, WIDTH),
          7);
    }
  }

  private static double cosine(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  @ParameterizedTest
  @EnumSource(mode = Mode.EXCLUDE, names = "RANDOM")
  void thePlantedDirectionIsFoundBesideANuisance(Reading reading) {
    int pairs = reading == Reading.PROBE ? 20 * PAIRS : PAIRS; // it knows less from as many
    double[] plus = side(1, pairs, new Random(1));
    double[] minus = side(-1, pairs, new Random(2));
    double[] found = read(reading, plus, minus).direction();
    assertThat(cosine(found, CONCEPT)).isGreaterThan(0.95);
    assertThat(cosine(found, found)).isCloseTo(1, within(1e-9));
  }

  /// What an ordered, centred principal component does to it: the guard that the data can tell.
  @Test
  void orderedPairsHideItFromACentredComponent() {
    try (var scope = Scope.withoutGradients()) {
      Tensor plus = Tensor.of(plus(), PAIRS, WIDTH);
      Tensor differences = plus.sub(Tensor.of(minus(), PAIRS, WIDTH));
      Tensor centred = differences.sub(differences.mean(0, true));
      Tensor vectors = centred.transpose(0, 1).matmul(centred).eigen().vectors();
      double[] first = vectors.select(1, WIDTH - 1).toDoubles();
      assertThat(Math.abs(cosine(first, CONCEPT))).isLessThan(0.5);
    }
  }

  @ParameterizedTest
  @EnumSource(mode = Mode.EXCLUDE, names = "RANDOM")
  void theOtherWayRoundItPointsTheOtherWay(Reading reading) {
    double[] one = read(reading, plus(), minus()).direction();
    double[] other = read(reading, minus(), plus()).direction();
    assertThat(cosine(one, other)).isCloseTo(-1, within(1e-6));
  }

  @ParameterizedTest
  @EnumSource(mode = Mode.EXCLUDE, names = "RANDOM")
  void neitherAConstantNorAScaleMatters(Reading reading) {
    double[] one = read(reading, plus(), minus()).direction();
    double[] plus = Arrays.stream(plus()).map(x -> 3 * x + 11).toArray();
    double[] minus = Arrays.stream(minus()).map(x -> 3 * x + 11).toArray();
    assertThat(cosine(read(reading, plus, minus).direction(), one)).isCloseTo(1, within(1e-5));
  }

  @Test
  void randomDirectionsKnowNothing() {
    double[] found = read(Reading.RANDOM, plus(), minus()).direction();
    assertThat(Math.abs(cosine(found, CONCEPT))).isLessThan(0.6);
    assertThat(found).isEqualTo(read(Reading.RANDOM, minus(), plus()).direction());
  }

  @Test
  void whatIsAlikeHasNoDirection() {
    var read = read(Reading.MEAN_DIFFERENCE, plus(), plus());
    assertThat(read.direction()).containsOnly(0);
    assertThat(read.explained()).isZero();
    double[] one = Arrays.copyOf(plus(), WIDTH);
    double[] other = Arrays.copyOf(minus(), WIDTH);
    var single = read(Reading.PCA_UNCENTRED, one, other);
    assertThat(single.pairs()).isEqualTo(1);
    assertThat(single.explained()).isCloseTo(1, within(1e-9));
    assertThatThrownBy(() -> read(Reading.PCA, plus(), one))
        .hasMessageContaining("as many activations with a concept as without it")
        .hasMessageContaining("[60, 32] and [1, 32]");
  }
}
