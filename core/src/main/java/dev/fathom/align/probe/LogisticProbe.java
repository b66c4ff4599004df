package dev.fathom.align.probe;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// A linear reading of a vector x of a model: how much does it speak for the positive class?
///
///     p(positive | x) = σ(scale · θ·x + intercept)
///
/// θ is a direction of the model's own space, of length 1 and pointing to the positive class: it
/// can be compared with other directions there, and added or projected out. (Weights of a
/// regression on standardised features are no such direction.) It is zero where nothing was there
/// to be learnt. Equal by content.
///
/// [LogisticFit] makes probes.
public final class LogisticProbe {
  private final double[] direction;
  private final double scale;
  private final double intercept;

  private LogisticProbe(double[] direction, double scale, double intercept) {
    this.direction = direction;
    this.scale = scale;
    this.intercept = intercept;
  }

  /// The probe with these parameters.
  ///
  /// @param direction of length 1, or zero; copied
  static LogisticProbe of(double[] direction, double scale, double intercept) {
    return new LogisticProbe(direction.clone(), scale, intercept);
  }

  /// The probe of the log-odds `weights · x + intercept`.
  static LogisticProbe ofWeights(double[] weights, double intercept) {
    double length = Math.sqrt(Arrays.stream(weights).map(w -> w * w).sum());
    double[] direction =
        length == 0
            ? new double[weights.length]
            : Arrays.stream(weights).map(w -> w / length).toArray();
    return new LogisticProbe(direction, length, intercept);
  }

  public int width() {
    return direction.length;
  }

  /// θ, a copy.
  public double[] direction() {
    return direction.clone();
  }

  /// Log-odds that a step of length 1 along θ adds.
  public double scale() {
    return scale;
  }

  /// Log-odds of x = 0.
  public double intercept() {
    return intercept;
  }

  /// `θ·x` of each row of `x [n, width]`, in double precision.
  public double[] projections(Tensor x) {
    x.requireShape("what a probe reads", -1, direction.length);
    try (var scope = Scope.withoutGradients()) {
      return x.to(DType.F64).matmul(Tensor.of(direction, direction.length)).toDoubles();
    }
  }

  /// The log-odds of a projection `θ·x`.
  public double logOdds(double projection) {
    return scale * projection + intercept;
  }

  /// The probability of the positive class for a projection `θ·x`.
  public double probability(double projection) {
    return 1 / (1 + Math.exp(-logOdds(projection)));
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof LogisticProbe that
        && Arrays.equals(direction, that.direction)
        && scale == that.scale
        && intercept == that.intercept;
  }

  @Override
  public int hashCode() {
    return 31 * Arrays.hashCode(direction) + Double.hashCode(intercept);
  }

  @Override
  public String toString() {
    return "LogisticProbe of width " + direction.length;
  }
}
