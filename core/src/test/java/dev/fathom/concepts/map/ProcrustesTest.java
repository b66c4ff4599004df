package dev.fathom.concepts.map;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ProcrustesTest {
  private static double[][] drawn(long seed) {
    var random = new Random(seed);
    double[][] map = new double[30][2];
    for (double[] point : map) {
      Arrays.setAll(point, c -> (c + 1) * random.nextGaussian());
    }
    return map;
  }

  @Test
  void whatWasTurnedReflectedScaledAndMovedIsLaidBack() {
    double[][] stays = drawn(1);
    double[][] moved = new double[stays.length][2];
    for (int i = 0; i < stays.length; i++) {
      double x = stays[i][0];
      double y = -stays[i][1]; // reflected
      moved[i][0] = 3 * (Math.cos(1.1) * x - Math.sin(1.1) * y) + 7;
      moved[i][1] = 3 * (Math.sin(1.1) * x + Math.cos(1.1) * y) - 40;
    }
    Procrustes laid = Procrustes.of(stays, moved);
    assertThat(laid.distance()).isCloseTo(0, within(1e-12));
    for (int i = 0; i < stays.length; i++) {
      assertThat(laid.map()[i]).containsExactly(stays[i], within(1e-9));
    }
  }

  @Test
  void whatIsLeftIsTheShareOfSquaresAndNoOtherTurnIsBetter() {
    double[][] stays = drawn(2);
    double[][] other = drawn(3);
    Procrustes laid = Procrustes.of(stays, other);
    double left = left(stays, laid.map());
    assertThat(left / spread(stays)).isCloseTo(laid.distance(), within(1e-12));
    for (double turn : new double[] {-0.01, 0.01}) {
      double[] middle = middle(laid.map());
      double[][] turned = new double[stays.length][2];
      for (int i = 0; i < stays.length; i++) {
        double x = laid.map()[i][0] - middle[0];
        double y = laid.map()[i][1] - middle[1];
        turned[i][0] = middle[0] + Math.cos(turn) * x - Math.sin(turn) * y;
        turned[i][1] = middle[1] + Math.sin(turn) * x + Math.cos(turn) * y;
      }
      assertThat(left(stays, turned)).isGreaterThan(left);
    }
  }

  @Test
  void mapsOfOnePlaceAndOfOtherSizes() {
    double[][] stays = drawn(4);
    double[][] point = new double[stays.length][2];
    assertThat(Procrustes.of(stays, point).distance()).isZero();
    assertThatThrownBy(() -> Procrustes.of(stays, Arrays.copyOf(point, 3)))
        .hasMessageContaining("found 30 and 3");
  }

  private static double left(double[][] a, double[][] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += Math.pow(a[i][0] - b[i][0], 2) + Math.pow(a[i][1] - b[i][1], 2);
    }
    return sum;
  }

  private static double[] middle(double[][] map) {
    double[] middle = new double[2];
    for (double[] point : map) {
      middle[0] += point[0] / map.length;
      middle[1] += point[1] / map.length;
    }
    return middle;
  }

  private static double spread(double[][] map) {
    double[] middle = middle(map);
    double[][] all = new double[map.length][];
    Arrays.fill(all, middle);
    return left(map, all);
  }
}
