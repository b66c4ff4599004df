package dev.fathom.concepts.decompose;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;

/// The directions that vectors are taken apart into, each of length 1.
///
/// The memory is this object's own; [#close()] frees it.
public final class Atoms implements AutoCloseable {
  private final Tensor rows; // F64 [m, d]

  private Atoms(Tensor rows) {
    this.rows = rows;
  }

  /// @param rows `[m, d]`, at least one, none of zeros; scaled to length 1
  public static Atoms of(Tensor rows) {
    try (var scope = Scope.withoutGradients()) {
      Tensor wide = rows.to(DType.F64);
      Tensor lengths = wide.square().sum(1, true).sqrt();
      double[] each = lengths.toDoubles();
      for (int i = 0; i < each.length; i++) {
        if (!(each[i] > 0)) {
          throw new IllegalArgumentException(
              "atom %d of %d has no direction: its length is %s"
                  .formatted(i, each.length, each[i]));
        }
      }
      return new Atoms(wide.div(lengths).keep());
    }
  }

  /// m, how many there are.
  public int count() {
    return Math.toIntExact(rows.size(0));
  }

  /// d, how wide they are.
  public int width() {
    return Math.toIntExact(rows.size(1));
  }

  /// `D z`, one number an atom.
  double[] along(double[] z) {
    if (z.length != width()) {
      throw new IllegalArgumentException(
          "atoms are %d wide, the vector %d".formatted(width(), z.length));
    }
    try (var scope = Scope.withoutGradients()) {
      return rows.matmul(Tensor.of(z, z.length, 1)).toDoubles();
    }
  }

  /// Products of some atoms, `[n, n]`.
  double[] gram(int[] some) {
    try (var scope = Scope.withoutGradients()) {
      Tensor own = rows.indexSelect(0, indices(some));
      return own.matmul(own.transpose(0, 1)).toDoubles();
    }
  }

  /// `z − Σ c_i d_i`.
  ///
  /// @param some indices of atoms
  /// @param coefficients c, one for each
  public double[] without(double[] z, int[] some, double[] coefficients) {
    if (some.length == 0) {
      return z.clone();
    }
    try (var scope = Scope.withoutGradients()) {
      Tensor sum =
          Tensor.of(coefficients, 1, some.length).matmul(rows.indexSelect(0, indices(some)));
      return Tensor.of(z, 1, z.length).sub(sum).toDoubles();
    }
  }

  private static long[] indices(int[] some) {
    long[] indices = new long[some.length];
    for (int i = 0; i < some.length; i++) {
      indices[i] = some[i];
    }
    return indices;
  }

  @Override
  public void close() {
    rows.free();
  }
}
