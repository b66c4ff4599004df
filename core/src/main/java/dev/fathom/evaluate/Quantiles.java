package dev.fathom.evaluate;

import java.util.Arrays;

/// Quantiles of samples, between neighbours in proportion (type 7 of Hyndman and Fan 1996).
public final class Quantiles {
  private Quantiles() {}

  /// Of those that are numbers; NaN of none.
  ///
  /// @param share from 0, the least, to 1, the greatest
  public static double of(double[] values, double share) {
    return ofSorted(Arrays.stream(values).filter(x -> !Double.isNaN(x)).sorted().toArray(), share);
  }

  /// Of all, which stand in ascending order; NaN of none.
  public static double ofSorted(double[] sorted, double share) {
    if (sorted.length == 0) {
      return Double.NaN;
    }
    double at = share * (sorted.length - 1);
    int below = (int) at;
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
  }

  /// The median of those that are numbers; NaN of none.
  public static double median(double[] values) {
    return of(values, 0.5);
  }
}
