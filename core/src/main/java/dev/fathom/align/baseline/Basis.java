package dev.fathom.align.baseline;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import java.util.List;

/// Orthonormal directions, as rows `[r, width]` in F64; none at all are `[0, width]`.
final class Basis {
  private Basis() {}

  static Tensor none(long width) {
    return Tensor.zeros(DType.F64, 0, width);
  }

  /// Those that span the rows of a matrix, the longest part of it first.
  ///
  /// @param least singular values up to this count as nothing
  static Tensor spanning(Tensor rows, double least) {
    Tensor.Svd svd = rows.svd(false);
    double[] values = svd.s().toDoubles();
    int rank = 0;
    while (rank < values.length && values[rank] > least) {
      rank++;
    }
    return svd.vt().narrow(0, 0, rank).contiguous();
  }

  /// `x [n, width]` without its part in the span, which is `x (I − QᵀQ)`.
  static Tensor off(Tensor x, Tensor basis) {
    return basis.size(0) == 0 ? x : x.sub(x.matmul(basis.transpose(0, 1)).matmul(basis));
  }

  /// The directions of `basis`, and those that `rows` add to them.
  ///
  /// @param share what is shorter than this share of the longest row adds nothing
  static Tensor joined(Tensor basis, Tensor rows, double share) {
    Tensor rest = off(off(rows, basis), basis); // twice is enough (Kahan)
    Tensor more = spanning(rest, share * rows.norm(1, false).max().item());
    return basis.size(0) == 0 ? more : Tensor.cat(List.of(basis, more), 0);
  }
}
