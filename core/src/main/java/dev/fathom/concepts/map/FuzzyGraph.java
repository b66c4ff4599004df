package dev.fathom.concepts.map;

import java.util.Arrays;

/// How much each two points are neighbours, from 0 to 1: the weights of UMAP (McInnes et al. 2018,
/// section 3.1). With `ρ` a point's distance to its nearest neighbour and `σ` such that its weights
/// add up to `log2 k`,
///
///     A_ij = exp(−max(0, d_ij − ρ_i) / σ_i)        P = A + Aᵀ − A ∘ Aᵀ
///
/// @param points n
/// @param from ends of edges, i < j, in order, not copied
/// @param to the other ends, not copied
/// @param weights P of each edge, above 0, not copied
@SuppressWarnings("ArrayRecordComponent")
record FuzzyGraph(int points, int[] from, int[] to, double[] weights) {
  private static final int BISECTIONS = 64;
  private static final double TOLERANCE = 1e-5;
  private static final double LEAST = 1e-3;

  static FuzzyGraph of(Neighbours near) {
    int n = near.points();
    int k = near.each();
    double[] directed = directed(near);
    long[] keys = new long[n * k]; // both ends, the smaller first, and which way
    for (int e = 0; e < keys.length; e++) {
      int i = e / k;
      int j = near.indices()[e];
      keys[e] = (long) Math.min(i, j) * n + Math.max(i, j);
    }
    Integer[] order = new Integer[keys.length];
    Arrays.setAll(order, e -> e);
    Arrays.sort(order, (a, b) -> Long.compare(keys[a], keys[b]));
    int[] from = new int[keys.length];
    int[] to = new int[keys.length];
    double[] weights = new double[keys.length];
    int edges = 0;
    for (int at = 0; at < order.length; ) {
      long key = keys[order[at]];
      double weight = directed[order[at++]];
      if (at < order.length && keys[order[at]] == key) {
        double other = directed[order[at++]];
        weight = weight + other - weight * other;
      }
      from[edges] = (int) (key / n);
      to[edges] = (int) (key % n);
      weights[edges++] = weight;
    }
    return new FuzzyGraph(
        n, Arrays.copyOf(from, edges), Arrays.copyOf(to, edges), Arrays.copyOf(weights, edges));
  }

  /// A, `[n, k]`.
  static double[] directed(Neighbours near) {
    int n = near.points();
    int k = near.each();
    float[] distances = near.distances();
    double mean = 0;
    for (float distance : distances) {
      mean += distance / distances.length;
    }
    double[] weights = new double[n * k];
    for (int i = 0; i < n; i++) {
      double nearest = nearest(distances, i * k, k);
      double width = width(distances, i * k, k, nearest, LEAST * mean);
      for (int e = i * k; e < (i + 1) * k; e++) {
        double beyond = Math.max(0, distances[e] - nearest);
        weights[e] = beyond == 0 ? 1 : width == 0 ? 0 : Math.exp(-beyond / width);
      }
    }
    return weights;
  }

  /// The least distance above 0, or 0.
  private static double nearest(float[] distances, int from, int k) {
    for (int e = from; e < from + k; e++) {
      if (distances[e] > 0) {
        return distances[e];
      }
    }
    return 0;
  }

  /// σ by bisection, at least `least`.
  static double width(float[] distances, int from, int k, double nearest, double least) {
    double wanted = Math.log(k) / Math.log(2);
    double low = 0;
    double high = Double.POSITIVE_INFINITY;
    double width = 1;
    for (int step = 0; step < BISECTIONS; step++) {
      double sum = 0;
      for (int e = from; e < from + k; e++) {
        sum += Math.exp(-Math.max(0, distances[e] - nearest) / width);
      }
      if (Math.abs(sum - wanted) < TOLERANCE) {
        break;
      }
      if (sum > wanted) {
        high = width;
        width = (low + high) / 2;
      } else {
        low = width;
        width = Double.isInfinite(high) ? 2 * width : (low + high) / 2;
      }
    }
    return Math.max(width, least);
  }
}
