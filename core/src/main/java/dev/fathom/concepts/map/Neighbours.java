package dev.fathom.concepts.map;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/// The nearest points of each point, exactly, in blocks of products: `2 n² d` operations.
///
/// @param points n
/// @param each k, neighbours of each point
/// @param indices `[n, k]`, the nearest first, never the point itself, not copied
/// @param distances `[n, k]`, at least 0, not copied
@SuppressWarnings("ArrayRecordComponent")
public record Neighbours(int points, int each, int[] indices, float[] distances) {
  private static final int BLOCK = 512;

  /// How far two points are from each other.
  public enum Metric {
    /// `1 − cos`, from 0 to 2; a vector of zeros is at 1 from all.
    COSINE,
    EUCLIDEAN
  }

  /// @param x `[n, d]`, at least two points
  /// @param each at most n − 1 are found
  public static Neighbours of(Tensor x, int each, Metric metric) {
    int n = Math.toIntExact(x.size(0));
    if (n < 2 || each < 1) {
      throw new IllegalArgumentException(
          "neighbours take at least 2 points and 1 neighbour, found %d and %d".formatted(n, each));
    }
    int k = Math.min(each, n - 1);
    int[] indices = new int[n * k];
    float[] distances = new float[n * k];
    try (var scope = Scope.withoutGradients()) {
      var points = Points.of(x, metric);
      for (int from = 0; from < n; from += BLOCK) {
        try (var inner = Scope.withoutGradients()) {
          keep(points.from(from, Math.min(BLOCK, n - from)), from, k, indices, distances);
        }
      }
    }
    if (metric == Metric.EUCLIDEAN) {
      for (int e = 0; e < distances.length; e++) {
        distances[e] = (float) Math.sqrt(distances[e]);
      }
    }
    return new Neighbours(n, k, indices, distances);
  }

  /// The nearest of some points to each of others, by cosine.
  ///
  /// @param x `[n, d]`
  /// @param to `[m, d]`, of which at most m are found
  static Neighbours among(Tensor x, Tensor to, int each) {
    int n = Math.toIntExact(x.size(0));
    int k = (int) Math.min(each, to.size(0));
    int[] indices = new int[n * k];
    float[] distances = new float[n * k];
    try (var scope = Scope.withoutGradients()) {
      Tensor rows = Points.unit(x.to(DType.F32));
      Tensor columns = Points.unit(to.to(DType.F32)).transpose(0, 1);
      for (int from = 0; from < n; from += BLOCK) {
        try (var inner = Scope.withoutGradients()) {
          int count = Math.min(BLOCK, n - from);
          Tensor far = rows.narrow(0, from, count).matmul(columns).neg().add(1).relu();
          Tensor.TopK found = far.bottomK(k, 1);
          long[] places = found.indices().toLongs();
          for (int i = 0; i < places.length; i++) {
            indices[from * k + i] = (int) places[i];
          }
          System.arraycopy(found.values().toFloats(), 0, distances, from * k, count * k);
        }
      }
    }
    return new Neighbours(n, k, indices, distances);
  }

  /// Only so many of each point's, the nearest.
  Neighbours nearest(int count) {
    int[] fewer = new int[points * count];
    float[] distancesOfFewer = new float[points * count];
    for (int i = 0; i < points; i++) {
      System.arraycopy(indices, i * each, fewer, i * count, count);
      System.arraycopy(distances, i * each, distancesOfFewer, i * count, count);
    }
    return new Neighbours(points, count, fewer, distancesOfFewer);
  }

  /// Points that know how far they are from each other.
  ///
  /// @param x `[n, d]`, of length 1 or centred
  /// @param squares their squared lengths `[n]`
  record Points(Tensor x, Tensor squares, Metric metric) {
    static Points of(Tensor x, Metric metric) {
      Tensor wide = x.to(DType.F32);
      Tensor own = metric == Metric.COSINE ? unit(wide) : wide.sub(wide.mean(0, true));
      return new Points(own, own.square().sum(1, false), metric);
    }

    /// Vectors of length 1; zeros stay.
    private static Tensor unit(Tensor x) {
      return x.div(x.square().sum(1, true).sqrt().add(1e-30));
    }

    /// From some points to all, `[rows, n]`: distances, or their squares where those are Euclidean.
    Tensor from(int first, int rows) {
      Tensor products = x.narrow(0, first, rows).matmul(x.transpose(0, 1));
      return (metric == Metric.COSINE
              ? products.neg().add(1)
              : squares
                  .narrow(0, first, rows)
                  .unsqueeze(1)
                  .add(squares.unsqueeze(0))
                  .sub(products.mul(2)))
          .relu();
    }
  }

  private static void keep(Tensor far, int from, int k, int[] indices, float[] distances) {
    Tensor.TopK found = far.bottomK(k + 1, 1);
    float[] values = found.values().toFloats();
    long[] places = found.indices().toLongs();
    int rows = Math.toIntExact(far.size(0));
    for (int row = 0; row < rows; row++) {
      int to = (from + row) * k;
      int kept = 0;
      for (int i = row * (k + 1); kept < k; i++) {
        if (places[i] != from + row) {
          indices[to + kept] = (int) places[i];
          distances[to + kept++] = values[i];
        }
      }
    }
  }

  /// The neighbours of a point, the nearest first.
  public List<Integer> of(int point) {
    var own = new ArrayList<Integer>();
    for (int i = 0; i < each; i++) {
      own.add(indices[point * each + i]);
    }
    return own;
  }
}
