package dev.fathom.align.baseline;

import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// The control for whatever changes a model along directions: as many directions in the same
/// layers, of length 1 and orthogonal to each other like those, but drawn at random. An effect that
/// is not larger than theirs is an effect of changing the model, not of the directions.
///
/// One draw is one number of a distribution: in a wide model random directions hardly touch
/// anything a text is made of, so compare with several seeds where a difference is small.
public final class RandomDirections {
  private RandomDirections() {}

  /// For each layer's basis one of its shape and type, in the current scope, the same for a seed.
  ///
  /// @param bases orthonormal rows `[r, dModel]` each, r at most dModel
  public static List<Tensor> like(List<Tensor> bases, long seed) {
    var random = new SplittableRandom(seed);
    var drawn = new ArrayList<Tensor>();
    for (Tensor basis : bases) {
      basis.requireShape("directions", -1, -1);
      int rank = Math.toIntExact(basis.size(0));
      int width = Math.toIntExact(basis.size(1));
      if (rank > width) {
        throw new IllegalArgumentException(
            "there are no %d orthogonal directions in %d dimensions".formatted(rank, width));
      }
      double[] rows = orthonormal(rank, width, random.split());
      drawn.add(Tensor.of(rows, rank, width).to(basis.dtype()));
    }
    return List.copyOf(drawn);
  }

  /// By Gram and Schmidt, twice.
  private static double[] orthonormal(int rank, int width, SplittableRandom random) {
    double[][] rows = new double[rank][width];
    double[] all = new double[rank * width];
    for (int r = 0; r < rank; r++) {
      for (int i = 0; i < width; i++) {
        rows[r][i] = random.nextGaussian();
      }
      for (int turn = 0; turn < 2; turn++) {
        for (int other = 0; other < r; other++) {
          add(rows[r], -dot(rows[r], rows[other]), rows[other]);
        }
        double length = Math.sqrt(dot(rows[r], rows[r]));
        add(rows[r], 1 / length - 1, rows[r]);
      }
      System.arraycopy(rows[r], 0, all, r * width, width);
    }
    return all;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  private static void add(double[] to, double factor, double[] what) {
    for (int i = 0; i < to.length; i++) {
      to[i] += factor * what[i];
    }
  }
}
