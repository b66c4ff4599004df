package dev.fathom.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BasisTest {
  private static final int WIDTH = 20;

  private static List<double[]> vectors(int count, long seed) {
    var random = new Random(seed);
    var vectors = new ArrayList<double[]>();
    for (int i = 0; i < count; i++) {
      vectors.add(random.doubles(WIDTH, -1, 1).toArray());
    }
    return vectors;
  }

  private static double[] plus(double[] a, double factor, double[] b) {
    double[] sum = a.clone();
    Arrays.setAll(sum, i -> a[i] + factor * b[i]);
    return sum;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  private static void assertOrthonormal(Basis basis) {
    for (int i = 0; i < basis.rank(); i++) {
      for (int j = 0; j < basis.rank(); j++) {
        assertThat(dot(basis.directions().get(i), basis.directions().get(j)))
            .isCloseTo(i == j ? 1 : 0, within(1e-12));
      }
    }
  }

  private static double[] removed(Basis basis, double[] x) {
    try (var scope = Scope.withoutGradients()) {
      return basis.removed(Tensor.of(x, 1, x.length)).toDoubles();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 5, 19, 20, 33})
  void itSpansTheDirectionsAndNothingElse(int count) {
    List<double[]> directions = vectors(count, count);
    Basis basis = Basis.of(directions);
    assertThat(basis.rank()).isEqualTo(Math.min(count, WIDTH));
    assertThat(basis.width()).isEqualTo(WIDTH);
    assertOrthonormal(basis);
    double[] x = vectors(1, 99).getFirst();
    double[] rest = removed(basis, x);
    for (double[] direction : directions) {
      assertThat(dot(rest, direction)).isCloseTo(0, within(1e-9));
      assertThat(removed(basis, direction)).containsOnly(new double[WIDTH], within(1e-9));
    }
    double[] taken = plus(x, -1, rest); // is a sum of the basis
    double[] sum = new double[WIDTH];
    for (double[] direction : basis.directions()) {
      sum = plus(sum, dot(direction, x), direction);
    }
    assertThat(taken).containsExactly(sum, within(1e-12));
    assertThat(dot(rest, rest) + dot(taken, taken)).isCloseTo(dot(x, x), within(1e-12));
  }

  @Test
  void lengthsOfDirectionsDoNotMatter() {
    List<double[]> directions = vectors(3, 1);
    List<double[]> longer = directions.stream().map(v -> plus(v, 41, v)).toList();
    double[] x = vectors(1, 2).getFirst();
    assertThat(removed(Basis.of(longer), x))
        .containsExactly(removed(Basis.of(directions), x), within(1e-12));
  }

  @Test
  void parallelDirectionsAndZerosAddNothing() {
    List<double[]> v = vectors(2, 3);
    double[] nearly = plus(v.getFirst(), 1e-6, v.getLast());
    Basis basis = Basis.of(List.of(v.getFirst(), nearly, plus(v.getFirst(), 2, v.getFirst())));
    assertThat(basis.rank()).isEqualTo(1);
    assertThat(Math.abs(dot(basis.directions().getFirst(), v.getFirst())))
        .isCloseTo(Math.sqrt(dot(v.getFirst(), v.getFirst())), within(1e-9));
    double[] apart = plus(v.getFirst(), 1e-2, v.getLast());
    assertThat(Basis.of(List.of(v.getFirst(), apart)).rank()).isEqualTo(2);
    assertThat(Basis.of(List.of(new double[WIDTH], v.getFirst())).rank()).isEqualTo(1);
    assertThat(Basis.of(List.of(new double[WIDTH])).rank()).isZero();
  }

  @ParameterizedTest
  @ValueSource(ints = {12, 200})
  void theLeadingDirectionsOfPlantedDataAreFoundInTheirOrder(int rows) {
    List<double[]> planted = Basis.of(vectors(2, 5)).directions();
    var random = new Random(6);
    var data = new ArrayList<double[]>();
    for (int i = 0; i < rows; i++) {
      double[] noise = random.doubles(WIDTH, -0.01, 0.01).toArray();
      double[] strong = plus(noise, 10 * random.nextGaussian(), planted.getFirst());
      data.add(plus(strong, 2 * random.nextGaussian(), planted.getLast()));
    }
    Basis two = Basis.leading(data, 2);
    assertOrthonormal(two);
    for (int i = 0; i < 2; i++) {
      assertThat(Math.abs(dot(two.directions().get(i), planted.get(i)))).isGreaterThan(0.9);
    }
    Basis one = Basis.leading(data, 1);
    assertThat(one.rank()).isEqualTo(1);
    assertThat(one.directions().getFirst()).containsExactly(two.directions().getFirst());
    for (double[] direction : planted) { // the two span the plane, whichever way they lie in it
      double[] outside = removed(two, direction);
      assertThat(dot(outside, outside)).isLessThan(1e-3);
    }
  }

  @Test
  void takingOutTwiceIsTakingOutOnceAndWidensToF64() {
    try (var scope = Scope.withoutGradients()) {
      Basis basis = Basis.of(vectors(4, 7));
      Tensor x = Tensor.of(new Random(8).doubles(3L * WIDTH, -1, 1).toArray(), 3, WIDTH);
      Tensor once = basis.removed(x);
      assertThat(basis.removed(once).toDoubles()).containsExactly(once.toDoubles(), within(1e-14));
      assertThat(basis.removed(x.to(DType.F32)).dtype()).isEqualTo(DType.F64);
      Tensor q = basis.matrix();
      Tensor projector = q.transpose(0, 1).matmul(q);
      assertThat(projector.matmul(projector).toDoubles())
          .containsExactly(projector.toDoubles(), within(1e-12));
      assertThat(projector.transpose(0, 1).toDoubles())
          .containsExactly(projector.toDoubles(), within(0.0));
      double trace = 0;
      for (int i = 0; i < WIDTH; i++) {
        trace += projector.select(0, i).select(0, i).item();
      }
      assertThat(trace).isCloseTo(4, within(1e-12));
    }
  }

  @Test
  void nothingTakesNothingOut() {
    double[] x = vectors(1, 9).getFirst();
    assertThat(removed(Basis.none(WIDTH), x)).containsExactly(x);
    assertThat(Basis.random(0, WIDTH, 1).rank()).isZero();
  }

  @Test
  void randomDirectionsAreAsManyAndOthersForEverySeed() {
    Basis drawn = Basis.random(6, WIDTH, 1);
    assertThat(drawn.rank()).isEqualTo(6);
    assertThat(drawn.width()).isEqualTo(WIDTH);
    assertOrthonormal(drawn);
    double[] first = drawn.directions().getFirst();
    assertThat(Basis.random(6, WIDTH, 1).directions().getFirst()).containsExactly(first);
    assertThat(Math.abs(dot(Basis.random(6, WIDTH, 2).directions().getFirst(), first)))
        .isLessThan(0.9);
    assertThat(Basis.random(30, WIDTH, 1).rank()).isEqualTo(WIDTH);
  }
}
