package dev.fathom.align.probe;

import dev.fathom.tensor.Tensor;
import java.util.Random;

/// Vectors with a planted direction: the positive class stands further along it. Columns are of
/// very different sizes and far from zero, as activations are.
record Planted(double[][] rows, boolean[] positive, double[] direction) {
  static Planted of(int n, int width, double distance, long seed) {
    var random = new Random(seed);
    double[] direction = new double[width];
    double length = 0;
    for (int j = 0; j < width; j++) {
      direction[j] = random.nextGaussian();
      length += direction[j] * direction[j];
    }
    for (int j = 0; j < width; j++) {
      direction[j] /= Math.sqrt(length);
    }
    double[][] rows = new double[n][width];
    boolean[] positive = new boolean[n];
    for (int i = 0; i < n; i++) {
      positive[i] = i % 5 < 2;
      for (int j = 0; j < width; j++) {
        rows[i][j] = 30 * Math.sin(j) + random.nextGaussian();
        rows[i][j] += positive[i] ? distance * direction[j] : 0;
      }
    }
    return new Planted(rows, positive, direction);
  }

  int size() {
    return rows.length;
  }

  /// F64 `[n, width]`, in the current scope.
  Tensor x() {
    return tensor(rows);
  }

  static Tensor tensor(double[][] rows) {
    int width = rows[0].length;
    double[] all = new double[rows.length * width];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(rows[i], 0, all, i * width, width);
    }
    return Tensor.of(all, rows.length, width);
  }

  /// Labels drawn anew.
  static boolean[] coins(int n, long seed) {
    var random = new Random(seed);
    boolean[] coins = new boolean[n];
    for (int i = 0; i < n; i++) {
      coins[i] = random.nextBoolean();
    }
    return coins;
  }

  static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }
}
