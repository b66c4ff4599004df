package dev.fathom.concepts.map;

import dev.fathom.concepts.map.Neighbours.Metric;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.List;

/// Are those who are neighbours on a map neighbours in truth? (Venna and Kaski 2001.)
///
///     T(k) = 1 − 2 / (n k (2n − 3k − 1)) · Σ_i Σ_{j ∈ U_k(i)} (r(i, j) − k)
///
/// U_k(i) are those among the k nearest of i on the map that are not among the k nearest in the
/// original space, r(i, j) is the rank of j there. 1 is perfect, a random map has about ½.
public final class Trust {
  private static final int BLOCK = 512;

  private Trust() {}

  /// @param x `[n, d]`
  /// @param map `[n][2]`
  /// @param k below n / 2
  /// @param metric of the original space; distances on the map are Euclidean
  public static double of(Tensor x, double[][] map, int k, Metric metric) {
    int n = Math.toIntExact(x.size(0));
    if (map.length != n || k < 1 || 2 * k >= n) {
      throw new IllegalArgumentException(
          "trust in a map of %d points takes as many places and a k from 1 to below %d; found %d and %d"
              .formatted(n, (n + 1) / 2, map.length, k));
    }
    double excess = 0;
    try (var scope = Scope.withoutGradients()) {
      Tensor flat = Tensor.ofRows(List.of(map));
      Neighbours drawn = Neighbours.of(flat, k, Metric.EUCLIDEAN);
      var points = Neighbours.Points.of(x, metric);
      for (int from = 0; from < n; from += BLOCK) {
        try (var inner = Scope.withoutGradients()) {
          int rows = Math.min(BLOCK, n - from);
          float[] far = points.from(from, rows).toFloats();
          for (int row = 0; row < rows; row++) {
            for (int j : drawn.of(from + row)) {
              excess += Math.max(0, rank(far, row * n, n, from + row, j) - k);
            }
          }
        }
      }
    }
    return 1 - 2 * excess / ((double) n * k * (2.0 * n - 3 * k - 1));
  }

  /// How many points are nearer than j, and j.
  private static int rank(float[] far, int at, int n, int own, int j) {
    float distance = far[at + j];
    int rank = 1;
    for (int other = 0; other < n; other++) {
      if (other != own && far[at + other] < distance) {
        rank++;
      }
    }
    return rank;
  }
}
