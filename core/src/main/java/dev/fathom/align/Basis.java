package dev.fathom.align;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/// Orthonormal directions of a stream: the part of it that is to be taken out. In double precision.
///
/// @param directions each of length 1 and at right angles to the others; may be none
@SuppressWarnings("ArrayRecordComponent") // rows are made here and never handed out to be changed
public record Basis(int width, List<double[]> directions) {
  /// What is left of a direction below this share of the largest is rounding or as good as parallel
  /// to the others.
  private static final double NEGLIGIBLE = 1e-4;

  public Basis {
    directions = List.copyOf(directions);
  }

  /// Nothing to take out.
  public static Basis none(int width) {
    return new Basis(width, List.of());
  }

  /// What some directions span, without those whose singular value is below 1e-4 of the greatest.
  ///
  /// @param directions of any length, at least one
  public static Basis of(List<double[]> directions) {
    return leading(directions, directions.size());
  }

  /// The `most` directions in which some vectors are largest: their right singular vectors, of the
  /// greatest singular values.
  public static Basis leading(List<double[]> vectors, int most) {
    int width = vectors.getFirst().length;
    double[] all = vectors.stream().flatMapToDouble(Arrays::stream).toArray();
    try (var scope = Scope.withoutGradients()) {
      return leading(Tensor.of(all, vectors.size(), width), most);
    }
  }

  /// The same of the rows of a matrix `[n, width]`, not centred.
  public static Basis leading(Tensor rows, int most) {
    int width = Math.toIntExact(rows.size(1));
    try (var scope = Scope.withoutGradients()) {
      Tensor x = rows.to(DType.F64);
      boolean few = x.size(0) < width;
      Tensor gram = few ? x.matmul(x.transpose(0, 1)) : x.transpose(0, 1).matmul(x);
      Tensor.Eigen eigen = gram.eigen();
      double[] values = eigen.values().toDoubles(); // σ², ascending
      Tensor vectors = eigen.vectors().transpose(0, 1);
      List<double[]> found = rows(few ? vectors.matmul(x) : vectors);
      double least = NEGLIGIBLE * NEGLIGIBLE * values[values.length - 1];
      var leading = new ArrayList<double[]>();
      for (int i = values.length - 1; i >= 0 && leading.size() < most; i--) {
        if (values[i] > least) {
          leading.add(found.get(i));
        }
      }
      return new Basis(width, orthonormal(leading, 0));
    }
  }

  /// As many orthonormal directions drawn at random.
  public static Basis random(int count, int width, long seed) {
    return new Basis(width, orthonormal(gaussian(count, width, new Random(seed)), 0));
  }

  private static List<double[]> gaussian(int count, int width, Random random) {
    var drawn = new ArrayList<double[]>();
    for (int i = 0; i < count; i++) {
      double[] direction = new double[width];
      Arrays.setAll(direction, _ -> random.nextGaussian());
      drawn.add(direction);
    }
    return drawn;
  }

  /// Gram-Schmidt, twice over; what has no part of its own left is dropped.
  private static List<double[]> orthonormal(List<double[]> vectors, double least) {
    var made = new ArrayList<double[]>();
    for (double[] vector : vectors) {
      double[] own = vector.clone();
      double before = norm(own);
      for (int pass = 0; pass < 2; pass++) {
        for (double[] other : made) {
          double along = dot(own, other);
          for (int i = 0; i < own.length; i++) {
            own[i] -= along * other[i];
          }
        }
      }
      double left = norm(own);
      if (left > Math.max(least, 1e-12) * before && left > 0) {
        for (int i = 0; i < own.length; i++) {
          own[i] /= left;
        }
        made.add(own);
      }
    }
    return made;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  private static double norm(double[] a) {
    return Math.sqrt(dot(a, a));
  }

  private static Tensor matrix(List<double[]> rows, int width) {
    return Tensor.of(rows.stream().flatMapToDouble(Arrays::stream).toArray(), rows.size(), width);
  }

  private static List<double[]> rows(Tensor matrix) {
    int width = Math.toIntExact(matrix.size(1));
    double[] all = matrix.toDoubles();
    var rows = new ArrayList<double[]>();
    for (int from = 0; from < all.length; from += width) {
      rows.add(Arrays.copyOfRange(all, from, from + width));
    }
    return rows;
  }

  public int rank() {
    return directions.size();
  }

  /// What this and another span together.
  public Basis and(Basis other) {
    var both = new ArrayList<>(directions);
    both.addAll(other.directions);
    return new Basis(width, orthonormal(both, NEGLIGIBLE));
  }

  /// As many directions, drawn at random: what an edit of this size does by itself.
  public Basis shuffled(long seed) {
    return random(rank(), width, seed);
  }

  /// The directions as rows, F64 `[rank, width]`; for at least one.
  public Tensor matrix() {
    return matrix(directions, width);
  }

  /// Rows without their part along the directions: `x − (x Qᵀ) Q`, F64 `[n, width]`.
  public Tensor removed(Tensor x) {
    Tensor wide = x.to(DType.F64);
    if (directions.isEmpty()) {
      return wide;
    }
    Tensor q = matrix();
    return wide.sub(wide.matmul(q.transpose(0, 1)).matmul(q));
  }
}
