package dev.fathom.concepts.decompose;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SolverTest {
  private static final int WIDTH = 24;

  private static double[] drawn(Random random, int width) {
    double[] x = new double[width];
    Arrays.setAll(x, _ -> random.nextGaussian());
    return x;
  }

  private static List<double[]> rows(int count, long seed) {
    var random = new Random(seed);
    var rows = new ArrayList<double[]>();
    for (int i = 0; i < count; i++) {
      double[] row = drawn(random, WIDTH);
      double length = Vectors.norm(row);
      Arrays.setAll(row, c -> row[c] / length);
      rows.add(row);
    }
    return rows;
  }

  private static Atoms atoms(List<double[]> rows) {
    try (var scope = Scope.withoutGradients()) {
      return Atoms.of(Tensor.ofRows(rows));
    }
  }

  private static List<double[]> orthonormal() {
    try (var scope = Scope.withoutGradients()) {
      Tensor random = Tensor.ofRows(rows(WIDTH, 11));
      return random.matmul(random.transpose(0, 1)).eigen().vectors().toRows();
    }
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  private static double[] rest(List<double[]> rows, double[] z, Map<Integer, Double> code) {
    double[] rest = z.clone();
    code.forEach((atom, c) -> Arrays.setAll(rest, i -> rest[i] - c * rows.get(atom)[i]));
    return rest;
  }

  // ---------------------------------------------------------------- the elastic net

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void noChangeOfACoefficientWouldHelp(long seed) {
    List<double[]> rows = rows(200, seed);
    double[] z = drawn(new Random(seed + 50), WIDTH);
    for (boolean nonNegative : new boolean[] {false, true}) {
      var net = new ElasticNet(0.05, 0.95, nonNegative);
      try (Atoms atoms = atoms(rows)) {
        Code code = net.of(atoms, z);
        double norm = Vectors.norm(z);
        double[] rest = rest(rows, z, code.coefficients());
        assertThat(code.residual()).isCloseTo(Vectors.norm(rest), within(1e-9));
        assertThat(code.coefficients()).hasSizeBetween(3, 60);
        for (int i = 0; i < rows.size(); i++) {
          double along = dot(rows.get(i), rest) / norm;
          double c = code.coefficients().getOrDefault(i, 0.0) / norm;
          if (c != 0) {
            double slope = along - 0.05 * 0.05 * c - 0.05 * 0.95 * Math.signum(c);
            assertThat(slope).isCloseTo(0, within(1e-4));
            assertThat(nonNegative && c < 0).isFalse();
          } else {
            assertThat(nonNegative ? along : Math.abs(along))
                .isLessThanOrEqualTo(0.05 * 0.95 + 1e-4);
          }
        }
      }
    }
  }

  @Test
  void onAnOrthonormalDictionaryItIsSoftThresholding() {
    List<double[]> rows = orthonormal();
    double[] z = drawn(new Random(4), WIDTH);
    double norm = Vectors.norm(z);
    try (Atoms atoms = atoms(rows)) {
      Code code = new ElasticNet(0.1, 0.8, false).of(atoms, z);
      for (int i = 0; i < WIDTH; i++) {
        double along = dot(rows.get(i), z) / norm;
        double wanted = Math.signum(along) * Math.max(0, Math.abs(along) - 0.08) / 1.02;
        assertThat(code.coefficients().getOrDefault(i, 0.0) / norm).isCloseTo(wanted, within(1e-7));
      }
    }
  }

  @Test
  void withoutTheAbsolutePartItIsRidge() {
    List<double[]> rows = rows(10, 5);
    double[] z = drawn(new Random(6), WIDTH);
    try (Atoms atoms = atoms(rows);
        var scope = Scope.withoutGradients()) {
      Code code = new ElasticNet(0.3, 0, false).of(atoms, z);
      Tensor d = Tensor.ofRows(rows);
      Tensor gram = d.matmul(d.transpose(0, 1));
      Tensor b = d.matmul(Tensor.of(z, WIDTH, 1));
      double[] c = new double[10];
      Arrays.setAll(c, i -> code.coefficients().getOrDefault(i, 0.0));
      Tensor x = Tensor.of(c, 10, 1);
      double[] off = gram.matmul(x).add(x.mul(0.3)).sub(b).toDoubles();
      assertThat(off).containsExactly(new double[10], within(1e-6));
    }
  }

  @Test
  void equalAtomsShareAndACostAboveAllGivesNothing() {
    List<double[]> rows = new ArrayList<>(rows(4, 7));
    rows.add(rows.get(2));
    double[] z = rows.get(2);
    try (Atoms atoms = atoms(rows)) {
      Map<Integer, Double> code = new ElasticNet(0.05, 0.5, false).of(atoms, z).coefficients();
      assertThat(code.get(2)).isCloseTo(code.get(4), within(1e-5));
      Code nothing = new ElasticNet(1.01, 1, false).of(atoms, z);
      assertThat(nothing.coefficients()).isEmpty();
      assertThat(nothing.residual()).isCloseTo(nothing.norm(), within(1e-12));
      assertThat(nothing.unexplained()).isCloseTo(1, within(1e-12));
    }
  }

  // ---------------------------------------------------------------- matching pursuit

  @Test
  void whatIsLeftIsAtRightAnglesToWhatIsTaken() {
    List<double[]> rows = rows(100, 8);
    double[] z = drawn(new Random(9), WIDTH);
    double before = Vectors.norm(z);
    try (Atoms atoms = atoms(rows)) {
      for (int most = 1; most <= 12; most++) {
        Code code = new MatchingPursuit(most, false).of(atoms, z);
        assertThat(code.support()).hasSize(most);
        double[] rest = rest(rows, z, code.coefficients());
        for (int atom : code.support()) {
          assertThat(dot(rows.get(atom), rest)).isCloseTo(0, within(1e-8));
        }
        assertThat(code.residual()).isLessThanOrEqualTo(before + 1e-12);
        before = code.residual();
      }
      int best = new MatchingPursuit(1, false).of(atoms, z).support().getFirst();
      for (double[] row : rows) {
        assertThat(Math.abs(dot(row, z))).isLessThanOrEqualTo(Math.abs(dot(rows.get(best), z)));
      }
    }
  }

  @Test
  void sparseSumsAreFoundAgain() {
    List<double[]> rows = orthonormal();
    double[] z = new double[WIDTH];
    Arrays.setAll(z, i -> 3 * rows.get(4)[i] - 2 * rows.get(9)[i] + 0.5 * rows.get(17)[i]);
    try (Atoms atoms = atoms(rows)) {
      Code code = MatchingPursuit.standard().of(atoms, z);
      assertThat(code.support()).containsExactly(4, 9, 17);
      assertThat(code.coefficients().get(9)).isCloseTo(-2, within(1e-9));
      assertThat(code.residual()).isLessThan(1e-5);
      Code present = new MatchingPursuit(20, true).of(atoms, z);
      assertThat(present.support()).containsExactly(4, 17);
    }
  }

  @Test
  void ofEqualAtomsTheFirstIsTaken() {
    List<double[]> rows = new ArrayList<>(rows(4, 12));
    rows.add(rows.get(2));
    try (Atoms atoms = atoms(rows)) {
      assertThat(MatchingPursuit.standard().of(atoms, rows.get(4)).support()).containsExactly(2);
    }
  }

  // ---------------------------------------------------------------- odd input

  @Test
  void zerosConsistOfNothing() {
    try (Atoms atoms = atoms(rows(5, 13))) {
      for (Solver solver : List.of(ElasticNet.standard(), MatchingPursuit.standard())) {
        Code code = solver.of(atoms, new double[WIDTH]);
        assertThat(code.coefficients()).isEmpty();
        assertThat(code.unexplained()).isZero();
        assertThatThrownBy(() -> solver.of(atoms, new double[] {1, 2}))
            .hasMessage("atoms are 24 wide, the vector 2");
      }
    }
    assertThatThrownBy(() -> atoms(List.of(new double[] {1, 0}, new double[2])))
        .hasMessage("atom 1 of 2 has no direction: its length is 0.0");
    assertThatThrownBy(() -> new ElasticNet(0, 0.5, false)).hasMessageContaining("alpha above 0");
  }
}
