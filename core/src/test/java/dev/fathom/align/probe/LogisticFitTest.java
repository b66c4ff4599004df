package dev.fathom.align.probe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.References;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LogisticFitTest {
  private static final LogisticFit.Config STANDARD = LogisticFit.Config.standard();

  @BeforeAll
  static void oneThread() {
    Threads.set(1); // more only wait for each other over products this small
  }

  private static boolean[] labels(References reference, String name) {
    long[] values = reference.longs(name);
    boolean[] labels = new boolean[values.length];
    for (int i = 0; i < labels.length; i++) {
      labels[i] = values[i] == 1;
    }
    return labels;
  }

  @ParameterizedTest
  @CsvSource({"overlapping, 1", "overlapping, 0.01", "separable, 1", "separable, 0.01"})
  void theOptimumIsTheReferences(String name, double c) {
    String prefix = name + "." + c + ".";
    try (var reference = References.open("probe/reference.safetensors");
        var scope = Scope.withoutGradients()) {
      long[] shape = reference.shape("x");
      Tensor x = Tensor.of(reference.doubles("x"), shape);
      boolean[] labels = labels(reference, name + ".y");
      for (double tolerance : new double[] {1e-6, 1e-10}) {
        var fitted = LogisticFit.of(x, labels, new LogisticFit.Config(c, 200, tolerance));
        assertThat(fitted.converged()).isTrue();
        LogisticProbe probe = fitted.probe();
        double close = tolerance == 1e-6 ? 1e-3 : 1e-7;
        assertThat(probe.direction())
            .containsExactly(reference.doubles(prefix + "direction"), within(close));
        assertThat(Arrays.stream(probe.projections(x)).map(probe::logOdds).toArray())
            .containsExactly(reference.doubles(prefix + "log_odds"), within(close));
      }
    }
  }

  @Test
  void aPlantedDirectionIsFoundWhateverTheSizesOfTheColumns() {
    var planted = Planted.of(2000, 24, 3, 1);
    double[] stretch = new Random(2).doubles(24, -2, 3).map(Math::exp).toArray();
    try (var scope = Scope.withoutGradients()) {
      var plain = LogisticFit.of(planted.x(), planted.positive(), STANDARD);
      assertThat(Planted.dot(plain.probe().direction(), planted.direction())).isGreaterThan(0.95);
      var stretched =
          LogisticFit.of(
              planted.x().mul(Tensor.of(stretch, 1, 24)).add(7), planted.positive(), STANDARD);
      for (int j = 0; j < 24; j++) {
        assertThat(stretched.probe().scale() * stretched.probe().direction()[j] * stretch[j])
            .isCloseTo(plain.probe().scale() * plain.probe().direction()[j], within(1e-4));
      }
    }
  }

  @Test
  void duplicatedExamplesWithHalfOfCChangeNothing() {
    var planted = Planted.of(200, 10, 1, 3);
    boolean[] twice = Arrays.copyOf(planted.positive(), 400);
    System.arraycopy(planted.positive(), 0, twice, 200, 200);
    try (var scope = Scope.withoutGradients()) {
      Tensor x = planted.x();
      LogisticProbe once = LogisticFit.of(x, planted.positive(), STANDARD).probe();
      LogisticProbe doubled =
          LogisticFit.of(Tensor.cat(List.of(x, x), 0), twice, STANDARD.withC(0.5)).probe();
      assertThat(doubled.direction()).containsExactly(once.direction(), within(1e-4));
      assertThat(doubled.scale()).isCloseTo(once.scale(), within(1e-4));
      assertThat(doubled.intercept()).isCloseTo(once.intercept(), within(1e-2));
    }
  }

  @Test
  void theOptimumDoesNotDependOnTheStart() {
    var planted = Planted.of(300, 12, 1.5, 4);
    try (var scope = Scope.withoutGradients()) {
      Tensor x = planted.x();
      LogisticProbe usual = LogisticFit.of(x, planted.positive(), STANDARD).probe();
      for (int seed = 0; seed < 3; seed++) {
        double[] start = new Random(seed).doubles(13, -5, 5).toArray();
        var other = LogisticFit.of(x, planted.positive(), STANDARD, start);
        assertThat(other.converged()).isTrue();
        assertThat(other.probe().direction()).containsExactly(usual.direction(), within(1e-4));
        assertThat(other.probe().scale()).isCloseTo(usual.scale(), within(1e-4));
      }
    }
  }

  @Test
  void labellingsLearntTogetherAreThoseLearntAlone() {
    var planted = Planted.of(250, 8, 2, 5);
    List<boolean[]> all = List.of(planted.positive(), Planted.coins(250, 6), Planted.coins(250, 7));
    try (var scope = Scope.withoutGradients()) {
      Tensor x = planted.x();
      List<LogisticFit.Fitted> together = LogisticFit.of(x, all, STANDARD);
      for (int k = 0; k < all.size(); k++) {
        LogisticProbe alone = LogisticFit.of(x, all.get(k), STANDARD).probe();
        assertThat(together.get(k).probe().direction())
            .containsExactly(alone.direction(), within(1e-4));
        assertThat(together.get(k).probe().scale()).isCloseTo(alone.scale(), within(1e-4));
      }
    }
  }

  @Test
  void labelsThatMeanNothingAreNotLearnt() {
    var planted = Planted.of(1000, 16, 0, 8);
    var held = Planted.of(1000, 16, 0, 9);
    for (int seed = 0; seed < 5; seed++) {
      try (var scope = Scope.withoutGradients()) {
        LogisticProbe probe =
            LogisticFit.of(planted.x(), Planted.coins(1000, seed), STANDARD).probe();
        double auc = Auc.value(probe.projections(held.x()), Planted.coins(1000, 100 + seed));
        assertThat(auc).isCloseTo(0.5, within(3 / Math.sqrt(1000)));
      }
    }
  }

  @Test
  void whatIsPredictedIsAProbabilityOfTheMeasuredClass() {
    var planted = Planted.of(1500, 6, 2, 10);
    try (var scope = Scope.withoutGradients()) {
      LogisticProbe probe = LogisticFit.of(planted.x(), planted.positive(), STANDARD).probe();
      double mean =
          Arrays.stream(probe.projections(planted.x())).map(probe::probability).average().orElse(0);
      assertThat(mean).isCloseTo(0.4, within(1e-4)); // the free intercept sees to that
    }
  }

  @Test
  void wideFeaturesAreLearntWithoutAMatrixToo() {
    var planted = Planted.of(40, 2100, 8, 11);
    try (var scope = Scope.withoutGradients()) {
      var fitted = LogisticFit.of(planted.x(), planted.positive(), STANDARD);
      assertThat(fitted.converged()).isTrue();
      assertThat(Auc.value(fitted.probe().projections(planted.x()), planted.positive()))
          .isEqualTo(1);
    }
  }

  @Test
  void constantColumnsGetNoWeight() {
    var planted = Planted.of(100, 4, 2, 12);
    for (double[] row : planted.rows()) {
      row[2] = 0.1f;
    }
    try (var scope = Scope.withoutGradients()) {
      LogisticProbe probe = LogisticFit.of(planted.x(), planted.positive(), STANDARD).probe();
      assertThat(probe.direction()[2]).isZero();
      assertThat(probe.scale()).isPositive();
    }
  }

  @Test
  void whatCannotBeLearntFromIsRefused() {
    var planted = Planted.of(10, 3, 1, 13);
    try (var scope = Scope.withoutGradients()) {
      assertThatThrownBy(() -> LogisticFit.of(planted.x(), new boolean[10], STANDARD))
          .hasMessageContaining("all 10 labels are the same");
      assertThatThrownBy(() -> LogisticFit.of(planted.x(), new boolean[9], STANDARD))
          .hasMessageContaining("9 labels for 10 vectors");
      planted.rows()[4][1] = Double.NaN;
      assertThatThrownBy(() -> LogisticFit.of(planted.x(), planted.positive(), STANDARD))
          .hasMessageContaining("column 1 of the features is not all numbers");
    }
    assertThatThrownBy(() -> new LogisticFit.Config(0, 200, 1e-6))
        .hasMessageContaining("must be positive");
  }
}
