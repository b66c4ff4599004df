package dev.fathom.evaluate.bias;

import dev.fathom.evaluate.Quantiles;
import java.util.Arrays;

/// A number and how sure it is.
///
/// @param low lower end of its interval, with 95 % between the ends; NaN without one
/// @param high upper end
public record Estimate(double value, double low, double high) {

  /// The number with the middle 95 % of what resamples gave; of none, the ends are NaN.
  public static Estimate of(double value, double[] resampled) {
    double[] sorted = resampled.clone();
    Arrays.sort(sorted);
    return new Estimate(
        value, Quantiles.ofSorted(sorted, 0.025), Quantiles.ofSorted(sorted, 0.975));
  }
}
