package dev.fathom.explain.attribute;

/// Symmetric positive definite systems of a few hundred unknowns.
final class LeastSquares {
  private LeastSquares() {}

  /// The inverse of a symmetric matrix by Cholesky's method.
  ///
  /// @throws IllegalArgumentException if it is not positive definite
  static double[][] inverse(double[][] matrix) {
    int n = matrix.length;
    double[][] lower = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        double sum = matrix[i][j];
        for (int k = 0; k < j; k++) {
          sum -= lower[i][k] * lower[j][k];
        }
        if (i != j) {
          lower[i][j] = sum / lower[j][j];
        } else if (sum > 1e-12 * Math.abs(matrix[i][i])) {
          lower[i][i] = Math.sqrt(sum);
        } else {
          throw new IllegalArgumentException(
              "Too few samples for %d tokens: the regression has no unique solution. Take more."
                  .formatted(n));
        }
      }
    }
    double[][] inverse = new double[n][n];
    for (int column = 0; column < n; column++) {
      double[] x = inverse[column]; // symmetric
      for (int i = 0; i < n; i++) {
        double sum = i == column ? 1 : 0;
        for (int k = 0; k < i; k++) {
          sum -= lower[i][k] * x[k];
        }
        x[i] = sum / lower[i][i];
      }
      for (int i = n - 1; i >= 0; i--) {
        double sum = x[i];
        for (int k = i + 1; k < n; k++) {
          sum -= lower[k][i] * x[k];
        }
        x[i] = sum / lower[i][i];
      }
    }
    return inverse;
  }

  static double[] times(double[][] matrix, double[] x) {
    double[] y = new double[matrix.length];
    for (int i = 0; i < y.length; i++) {
      for (int j = 0; j < x.length; j++) {
        y[i] += matrix[i][j] * x[j];
      }
    }
    return y;
  }

  static double sum(double[] x) {
    double sum = 0;
    for (double value : x) {
      sum += value;
    }
    return sum;
  }
}
