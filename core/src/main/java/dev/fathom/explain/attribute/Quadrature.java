package dev.fathom.explain.attribute;

import java.util.Arrays;

/// A rule for `∫₀¹ g(α) dα ≈ Σ_i weights[i] g(at[i])`.
record Quadrature(double[] at, double[] weights) {
  static Quadrature of(AttributionMethod.Path path, int n) {
    return switch (path) {
      case MIDPOINT -> midpoint(n);
      case GAUSS_LEGENDRE -> gaussLegendre(n);
      case NEAR_BASELINE -> midpoint(n).nearZero(4);
    };
  }

  private static Quadrature midpoint(int n) {
    double[] at = new double[n];
    double[] weights = new double[n];
    Arrays.setAll(at, i -> (i + 0.5) / n);
    Arrays.fill(weights, 1.0 / n);
    return new Quadrature(at, weights);
  }

  /// The substitution `α = u^power`.
  private Quadrature nearZero(int power) {
    double[] alpha = new double[at.length];
    double[] weight = new double[at.length];
    Arrays.setAll(alpha, i -> Math.pow(at[i], power));
    Arrays.setAll(weight, i -> weights[i] * power * Math.pow(at[i], power - 1));
    return new Quadrature(alpha, weight);
  }

  /// Roots of the Legendre polynomial by Newton's method (Press et al. 2007, section 4.6).
  private static Quadrature gaussLegendre(int n) {
    double[] at = new double[n];
    double[] weights = new double[n];
    for (int i = 0; i < n; i++) {
      double x = Math.cos(Math.PI * (i + 0.75) / (n + 0.5));
      double slope = 1;
      for (int turn = 0; turn < 100; turn++) {
        double p = 1;
        double before = 0;
        for (int k = 0; k < n; k++) {
          double older = before;
          before = p;
          p = ((2 * k + 1) * x * before - k * older) / (k + 1);
        }
        slope = n * (x * p - before) / (x * x - 1);
        double step = p / slope;
        x -= step;
        if (Math.abs(step) < 1e-15) {
          break;
        }
      }
      at[i] = (1 - x) / 2;
      weights[i] = 1 / ((1 - x * x) * slope * slope);
    }
    return new Quadrature(at, weights);
  }
}
