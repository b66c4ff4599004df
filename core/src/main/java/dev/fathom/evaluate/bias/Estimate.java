package dev.fathom.evaluate.bias;

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
    return new Estimate(value, quantile(sorted, 0.025), quantile(sorted, 0.975));
  }

  private static double quantile(double[] sorted, double share) {
    if (sorted.length == 0) {
      return Double.NaN;
    }
    double at = share * (sorted.length - 1);
    int below = (int) at;
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
  }
}
