package dev.fathom.concepts.map;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.concepts.Dispersion;
import dev.fathom.concepts.map.Resampling.Sampled;
import dev.fathom.evaluate.bias.Estimate;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;

class ResamplingTest {
  private static final int M = 60;
  private static final int D = 24;
  private static final int[] GROUPS = new int[M];

  static {
    Arrays.setAll(GROUPS, i -> i % 4);
  }

  private static Tensor drawn(int rows, long seed) {
    var random = new Random(seed);
    double[][] centres = new double[4][D];
    for (double[] centre : centres) {
      Arrays.setAll(centre, _ -> random.nextGaussian());
    }
    double[][] all = new double[rows][D];
    for (int i = 0; i < rows; i++) {
      double[] centre = centres[i % 4];
      Arrays.setAll(all[i], c -> 0.7 * centre[c] + 0.3 + random.nextGaussian());
    }
    Tensor x = Tensor.ofRows(List.of(all));
    return x.div(x.norm(1, true));
  }

  @Test
  void numbersAreThoseOfTheWhole() {
    try (var scope = Scope.withoutGradients()) {
      Tensor x = drawn(M, 1);
      Tensor y = drawn(M, 2);
      var resampling = Resampling.of(M, 100, 7);
      Dispersion whole = Dispersion.of(x);
      assertThat(resampling.meanCosine(x).value()).isEqualTo(whole.meanCosine());
      assertThat(resampling.spectrum(x).get(0).value()).isEqualTo(whole.effectiveRank());
      assertThat(resampling.similarity(x, y).value()).isEqualTo(Dispersion.similarity(x, y));
      assertThat(resampling.separation(x, GROUPS).value()).isCloseTo(separation(x), within(1e-9));
    }
  }

  private static double separation(Tensor x) {
    double between = 0;
    double within = 0;
    Tensor middle = x.mean(0, true);
    for (int g = 0; g < 4; g++) {
      Tensor own = x.indexSelect(0, g, g + 4, g + 8).copy();
      long[] rows = new long[M / 4];
      int first = g;
      Arrays.setAll(rows, i -> first + 4L * i);
      own = x.indexSelect(0, rows);
      Tensor mean = own.mean(0, true);
      between += rows.length * mean.sub(middle).square().sum().item();
      within += own.sub(mean).square().sum().item();
    }
    return between / within;
  }

  @Test
  void drawingEachOnceIsTheWhole() {
    try (var scope = Scope.withoutGradients()) {
      Tensor x = drawn(M, 1);
      Tensor y = drawn(M, 2);
      double[] once = new double[M];
      Arrays.fill(once, 1);
      var each = new Resampling(new double[][] {once});
      for (Tensor rows : List.of(x, x.narrow(0, 0, 20))) { // more and fewer than the width
        var some = rows == x ? each : new Resampling(new double[][] {Arrays.copyOf(once, 20)});
        for (Sampled sampled :
            List.of(
                some.meanCosine(rows), some.spectrum(rows).get(0), some.spectrum(rows).get(1))) {
          assertThat(sampled.draws()[0]).isCloseTo(sampled.value(), within(1e-9));
        }
      }
      assertThat(each.similarity(x, y).draws()[0])
          .isCloseTo(Dispersion.similarity(x, y), within(1e-9));
      assertThat(each.separation(x, GROUPS).draws()[0]).isCloseTo(separation(x), within(1e-9));
    }
  }

  /// The width of the interval against how much the number differs between sets that are drawn anew
  /// from where the concepts come from.
  @Test
  void intervalsAreAsWideAsNewConceptsVary() {
    try (var scope = Scope.withoutGradients()) {
      Tensor all = drawn(40 * M, 5);
      List<ToDoubleFunction<Tensor>> numbers =
          List.of(
              x -> Dispersion.of(x).meanCosine(),
              x -> Dispersion.of(x).effectiveRank(),
              x -> Dispersion.of(x).isotropy(),
              ResamplingTest::separation);
      Tensor first = all.narrow(0, 0, M);
      var resampling = Resampling.of(M, 400, 1);
      List<Sampled> sampled =
          List.of(
              resampling.meanCosine(first),
              resampling.spectrum(first).get(0),
              resampling.spectrum(first).get(1),
              resampling.separation(first, GROUPS));
      for (int which = 0; which < numbers.size(); which++) {
        double[] others = new double[40];
        for (int set = 0; set < others.length; set++) {
          others[set] = numbers.get(which).applyAsDouble(all.narrow(0, (long) set * M, M));
        }
        double mean = Arrays.stream(others).average().orElseThrow();
        double deviation =
            Math.sqrt(
                Arrays.stream(others).map(o -> (o - mean) * (o - mean)).sum()
                    / (others.length - 1));
        Estimate estimate = sampled.get(which).estimate();
        assertThat((estimate.high() - estimate.low()) / (2 * 1.96 * deviation))
            .as("number " + which)
            .isBetween(0.6, 1.6);
        assertThat(estimate.value()).isBetween(estimate.low(), estimate.high());
      }
    }
  }

  /// Of three concepts, every ninth draw has one three times.
  @Test
  void aDrawWithoutANumberCountsInNoInterval() {
    try (var scope = Scope.withoutGradients()) {
      var resampling = Resampling.of(3, 200, 5);
      Tensor unit = drawn(3, 1);
      Tensor line = Tensor.of(new double[] {0, 1, -1}, 3, 1); // the first is their mean
      Tensor other = Tensor.of(new double[] {0, 1, -2, 3, 1, -3}, 3, 2);
      int[] groups = {0, 0, 1};
      for (Sampled sampled :
          List.of(
              resampling.meanCosine(unit),
              resampling.similarity(line, other),
              resampling.separation(unit, groups),
              resampling.ratio(new double[] {1, 1, 0}, new double[] {1, 2, 0}, 0, 9))) {
        assertThat(sampled.draws()).hasSize(200);
        assertThat(Arrays.stream(sampled.draws()).filter(Double::isFinite).count())
            .isBetween(20L, 199L);
        Estimate estimate = sampled.estimate();
        assertThat(estimate.low()).isFinite().isLessThanOrEqualTo(estimate.value());
        assertThat(estimate.high()).isFinite().isGreaterThanOrEqualTo(estimate.value());
      }
    }
  }

  @Test
  void differencesAreOfTheSameDraw() {
    var one = new Sampled(2, new double[] {1, Double.NaN, 3, 2}, 0, 9);
    var other = new Sampled(1, new double[] {0, 5, 2, Double.POSITIVE_INFINITY}, 0, 9);
    assertThat(one.minus(other).estimate()).isEqualTo(new Estimate(1, 1, 1));
    var never = new Sampled(2, new double[] {Double.NaN, Double.NaN, Double.NaN, 1}, 0, 9);
    assertThat(never.minus(other).estimate()).isEqualTo(new Estimate(1, Double.NaN, Double.NaN));
  }

  @Test
  void theSameSeedDrawsTheSame() {
    assertThat(Resampling.of(9, 3, 1).weights()).isDeepEqualTo(Resampling.of(9, 3, 1).weights());
    assertThat(Resampling.of(9, 3, 1).weights()).isNotEqualTo(Resampling.of(9, 3, 2).weights());
    for (double[] own : Resampling.of(9, 3, 1).weights()) {
      assertThat(Arrays.stream(own).sum()).isEqualTo(9);
    }
    Sampled one = Resampling.of(4, 100, 3).mean(new double[] {1, 2, 3, 4}, 0, 10);
    assertThat(one.minus(one).estimate()).isEqualTo(new Estimate(0, 0, 0));
    assertThat(one.estimate().low()).isBetween(1.0, 2.4);
    assertThat(one.estimate().high()).isBetween(2.6, 4.0);
  }
}
