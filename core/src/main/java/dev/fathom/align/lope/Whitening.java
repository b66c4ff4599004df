package dev.fathom.align.lope;

import dev.fathom.tensor.Tensor;

/// Roots of a covariance Σ to which 1e-3 of its mean eigenvalue is added, so that what hardly
/// varies is not blown up.
///
/// @param root `Σ^½`, F64 `[width, width]`
/// @param inverse `Σ^(−½)`
record Whitening(Tensor root, Tensor inverse) {
  private static final double RIDGE = 1e-3;

  /// @param covariance F64 `[width, width]`
  static Whitening of(Tensor covariance) {
    Tensor.Eigen eigen = covariance.eigen();
    Tensor variances = eigen.values().relu(); // rounding may leave them below 0
    double ridge = RIDGE * variances.mean().item() + Double.MIN_NORMAL;
    Tensor roots = variances.add(ridge).sqrt(); // [width]
    Tensor axes = eigen.vectors();
    return new Whitening(
        axes.mul(roots).matmul(axes.transpose(0, 1)), axes.div(roots).matmul(axes.transpose(0, 1)));
  }
}
