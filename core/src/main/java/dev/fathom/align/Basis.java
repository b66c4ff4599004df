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
/// @param width of the stream
/// @param directions each of length 1 and at right angles to the others; may be none
public record Basis(int width, List<double[]> directions) {
  /// What is left of a direction below this share of the largest is rounding or as good as parallel
  /// to the others.
  private static final double NEGLIGIBLE = 1e-4;

  /// What is left of a direction below this share of itself is rounding.
  private static final double ROUNDING = 1e-12;

  public Basis {
    directions = List.copyOf(directions);
  }

  /// Nothing to take out.
  public static Basis none(int width) {
    return new Basis(width, List.of());
  }

  /// What some directions span, without what has a singular value below 1e-4 of the greatest.
  ///
  /// @param directions of any length, at least one
  public static Basis of(List<double[]> directions) {
    return leading(directions, directions.size());
  }

  /// The `most` directions in which some vectors are largest: their right singular vectors, of the
  /// greatest singular values. Fewer where the vectors do not span as many.
  ///
  /// @param vectors at least one
  public static Basis leading(List<double[]> vectors, int most) {
    try (var scope = Scope.withoutGradients()) {
      return leading(Tensor.ofRows(vectors), most);
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
      double[] squares = eigen.values().toDoubles(); // of singular values, ascending
      Tensor vectors = eigen.vectors().transpose(0, 1);
      List<double[]> found = (few ? vectors.matmul(x) : vectors).toRows();
      double least = NEGLIGIBLE * NEGLIGIBLE * squares[squares.length - 1];
      var leading = new ArrayList<double[]>();
      for (int i = squares.length - 1; i >= 0 && leading.size() < most; i--) {
        if (squares[i] > least) {
          leading.add(found.get(i));
        }
      }
      return new Basis(width, orthonormal(leading, ROUNDING));
    }
  }

  /// Orthonormal directions drawn at random, as many as are asked for and the stream has.
  public static Basis random(int count, int width, long seed) {
    var random = new Random(seed);
    var drawn = new ArrayList<double[]>();
    for (int i = 0; i < Math.min(count, width); i++) {
      double[] direction = new double[width];
      Arrays.setAll(direction, _ -> random.nextGaussian());
      drawn.add(direction);
    }
    return new Basis(width, orthonormal(drawn, ROUNDING));
  }

  public int rank() {
    return directions.size();
  }

  /// The directions as rows, F64 `[rank, width]`.
  public Tensor matrix() {
    return directions.isEmpty() ? Tensor.zeros(DType.F64, 0, width) : Tensor.ofRows(directions);
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

  /// Gram-Schmidt, twice over (Kahan: twice is enough).
  ///
  /// @param least what has less than this share of itself left is dropped
  private static List<double[]> orthonormal(List<double[]> vectors, double least) {
    var made = new ArrayList<double[]>();
    for (double[] vector : vectors) {
      double[] own = vector.clone();
      for (int pass = 0; pass < 2; pass++) {
        for (double[] other : made) {
          double along = dot(own, other);
          for (int i = 0; i < own.length; i++) {
            own[i] -= along * other[i];
          }
        }
      }
      double left = norm(own);
      if (left > least * norm(vector)) {
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
}
