package dev.fathom.concepts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class DispersionTest {
  private static Tensor drawn(int m, int d, long seed) {
    var random = new Random(seed);
    double[] all = new double[m * d];
    Arrays.setAll(all, _ -> random.nextGaussian());
    return Tensor.of(all, m, d);
  }

  private static Tensor rotation(int d) {
    Tensor x = drawn(d, d, 9);
    return x.matmul(x.transpose(0, 1)).eigen().vectors();
  }

  private static double silhouette(Tensor rows, int[] groups) {
    return Arrays.stream(Dispersion.silhouettes(rows, groups)).average().orElseThrow();
  }

  @Test
  void directionsAtRightAnglesAreAsSpreadAsCanBe() {
    try (var scope = Scope.withoutGradients()) {
      Dispersion found = Dispersion.of(rotation(12));
      assertThat(found.meanCosine()).isCloseTo(0, within(1e-12));
      assertThat(found.effectiveRank()).isCloseTo(12, within(1e-9));
      assertThat(found.isotropy()).isCloseTo(1.0 / 12, within(1e-9));
      Dispersion same = Dispersion.of(Tensor.full(2, DType.F64, 5, 3));
      assertThat(same.meanCosine()).isCloseTo(1, within(1e-12));
      assertThat(same.effectiveRank()).isCloseTo(1, within(1e-9));
    }
  }

  @Test
  void itIsThatOfThePlainDefinition() {
    try (var scope = Scope.withoutGradients()) {
      Tensor x = drawn(7, 30, 1);
      double sum = 0;
      for (int i = 0; i < 7; i++) {
        for (int j = 0; j < 7; j++) {
          if (i != j) {
            Tensor a = x.select(0, i);
            Tensor b = x.select(0, j);
            sum +=
                a.mul(b).sum().item()
                    / Math.sqrt(a.square().sum().item() * b.square().sum().item());
          }
        }
      }
      assertThat(Dispersion.of(x).meanCosine()).isCloseTo(sum / 42, within(1e-12));
    }
  }

  @Test
  void turningAllTogetherChangesNothing() {
    try (var scope = Scope.withoutGradients()) {
      Tensor x = drawn(20, 16, 2);
      Tensor turned = x.matmul(rotation(16));
      int[] groups = new int[20];
      Arrays.setAll(groups, i -> i % 3);
      assertThat(Dispersion.of(turned).meanCosine())
          .isCloseTo(Dispersion.of(x).meanCosine(), within(1e-9));
      assertThat(Dispersion.of(turned).effectiveRank())
          .isCloseTo(Dispersion.of(x).effectiveRank(), within(1e-9));
      assertThat(silhouette(turned, groups)).isCloseTo(silhouette(x, groups), within(1e-9));
      assertThat(Dispersion.similarity(x, turned)).isCloseTo(1, within(1e-9));
      assertThat(Dispersion.similarity(x, drawn(20, 16, 3))).isLessThan(0.8);
    }
  }

  /// Fewer directions than numbers, as many more, and between: the products differ, not the number.
  @Test
  void similarityIsThatOfThePlainDefinition() {
    try (var scope = Scope.withoutGradients()) {
      for (int m : new int[] {5, 12, 40}) {
        Tensor x = drawn(m, 16, 3);
        Tensor y = drawn(m, 9, 4);
        Tensor ofX = centred(x).matmul(centred(x).transpose(0, 1));
        Tensor ofY = centred(y).matmul(centred(y).transpose(0, 1));
        double plain =
            ofX.mul(ofY).sum().item()
                / Math.sqrt(ofX.square().sum().item() * ofY.square().sum().item());
        assertThat(Dispersion.similarity(x, y)).isCloseTo(plain, within(1e-12));
      }
    }
  }

  private static Tensor centred(Tensor rows) {
    return rows.sub(rows.mean(0, true));
  }

  @Test
  void groupsThatLieApartHaveAHighSilhouette() {
    try (var scope = Scope.withoutGradients()) {
      double[] all = new double[30 * 8];
      int[] groups = new int[30];
      var random = new Random(4);
      for (int i = 0; i < 30; i++) {
        groups[i] = i % 3;
        for (int c = 0; c < 8; c++) {
          all[i * 8 + c] = (c == groups[i] ? 5 : 0) + 0.3 * random.nextGaussian();
        }
      }
      Tensor x = Tensor.of(all, 30, 8);
      assertThat(silhouette(x, groups)).isGreaterThan(0.9);
      int[] wrong = new int[30];
      Arrays.setAll(wrong, i -> i / 10);
      assertThat(silhouette(x, wrong)).isLessThan(0.05);
      assertThatThrownBy(() -> Dispersion.silhouettes(x, new int[30]))
          .hasMessageContaining("at least 2 groups, found 30 and 1");
      assertThatThrownBy(() -> Dispersion.similarity(x, drawn(4, 8, 1)))
          .hasMessageContaining("found 30 and 4");
    }
  }
}
