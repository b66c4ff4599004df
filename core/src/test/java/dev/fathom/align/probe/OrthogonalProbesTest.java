package dev.fathom.align.probe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class OrthogonalProbesTest {
  private static final LogisticFit.Config STANDARD = LogisticFit.Config.standard();

  @BeforeAll
  static void oneThread() {
    Threads.set(1); // more only wait for each other over products this small
  }

  /// Columns of different sizes, so that orthogonal after standardising is not orthogonal.
  private static Tensor x(Planted planted) {
    int width = planted.direction().length;
    double[] stretch = new Random(3).doubles(width, -2, 3).map(Math::exp).toArray();
    return planted.x().mul(Tensor.of(stretch, 1, width));
  }

  @Test
  void furtherProbesAreOrthogonalToThoseBefore() {
    var planted = Planted.of(400, 20, 2, 1);
    try (var scope = Scope.withoutGradients()) {
      List<LogisticFit.Fitted> probes =
          OrthogonalProbes.of(x(planted), planted.positive(), 5, STANDARD);
      assertThat(probes).hasSize(5);
      for (int a = 0; a < 5; a++) {
        for (int b = 0; b <= a; b++) {
          double product =
              Planted.dot(probes.get(a).probe().direction(), probes.get(b).probe().direction());
          assertThat(product).isCloseTo(a == b ? 1 : 0, within(1e-6));
        }
      }
    }
  }

  @Test
  void aFurtherProbeSaysTheSameOfVectorsProjectedOffThoseBefore() {
    var planted = Planted.of(300, 9, 2, 2);
    try (var scope = Scope.withoutGradients()) {
      Tensor x = x(planted);
      List<LogisticFit.Fitted> probes = OrthogonalProbes.of(x, planted.positive(), 3, STANDARD);
      Tensor projected = x;
      for (int j = 0; j < 2; j++) {
        Tensor direction = Tensor.of(probes.get(j).probe().direction(), 1, 9);
        projected = projected.sub(projected.matmul(direction.transpose(0, 1)).matmul(direction));
      }
      LogisticProbe third = probes.get(2).probe();
      assertThat(third.projections(projected)).containsExactly(third.projections(x), within(1e-6));
    }
  }

  @Test
  void theFirstIsThePlainProbeAndEachLaterOneKnowsLess() {
    var planted = Planted.of(2000, 30, 2.5, 4);
    boolean[] positive = Arrays.copyOf(planted.positive(), 1000); // both halves have the same
    try (var scope = Scope.withoutGradients()) {
      Tensor learnt = planted.x().narrow(0, 0, 1000);
      Tensor held = planted.x().narrow(0, 1000, 1000);
      List<LogisticFit.Fitted> probes = OrthogonalProbes.of(learnt, positive, 2, STANDARD);
      assertThat(probes.getFirst().probe())
          .isEqualTo(LogisticFit.of(learnt, positive, STANDARD).probe());
      double first = Auc.value(probes.get(0).probe().projections(held), positive);
      double second = Auc.value(probes.get(1).probe().projections(held), positive);
      assertThat(first).isGreaterThan(0.9);
      assertThat(second).isLessThan(first - 0.2);
    }
  }

  @Test
  void theySayNothingMoreWhenAllDirectionsAreUsed() {
    var planted = Planted.of(100, 3, 2, 5);
    try (var scope = Scope.withoutGradients()) {
      assertThat(OrthogonalProbes.of(x(planted), planted.positive(), 10, STANDARD)).hasSize(3);
      Tensor twice = Tensor.cat(List.of(planted.x(), planted.x()), 1); // six columns of rank three
      assertThat(OrthogonalProbes.of(twice, planted.positive(), 10, STANDARD)).hasSize(3);
    }
  }
}
