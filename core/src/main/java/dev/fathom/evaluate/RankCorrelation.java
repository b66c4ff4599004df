package dev.fathom.evaluate;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/// Spearman's rank correlation: do two rankings agree? 1 in the same order, −1 in reverse.
public final class RankCorrelation {
  private RankCorrelation() {}

  /// Over the places where both have a value; equal values share their mean rank. NaN if one of
  /// them is constant.
  public static double of(float[] a, float[] b) {
    return of(
        IntStream.range(0, a.length).mapToDouble(i -> a[i]).toArray(),
        IntStream.range(0, b.length).mapToDouble(i -> b[i]).toArray());
  }

  /// The same.
  public static double of(double[] a, double[] b) {
    int[] both =
        IntStream.range(0, a.length)
            .filter(i -> !Double.isNaN(a[i]) && !Double.isNaN(b[i]))
            .toArray();
    double[] x = ranks(Arrays.stream(both).mapToDouble(i -> a[i]).toArray());
    double[] y = ranks(Arrays.stream(both).mapToDouble(i -> b[i]).toArray());
    double middle = (both.length - 1) / 2.0;
    double xy = 0;
    double xx = 0;
    double yy = 0;
    for (int i = 0; i < x.length; i++) {
      xy += (x[i] - middle) * (y[i] - middle);
      xx += (x[i] - middle) * (x[i] - middle);
      yy += (y[i] - middle) * (y[i] - middle);
    }
    return xy / Math.sqrt(xx * yy);
  }

  /// Places from 0 up; equal values share their mean place.
  static double[] ranks(double[] values) {
    Integer[] order = IntStream.range(0, values.length).boxed().toArray(Integer[]::new);
    Arrays.sort(order, Comparator.comparingDouble(i -> values[i]));
    double[] ranks = new double[values.length];
    for (int from = 0; from < order.length; ) {
      int to = from;
      while (to < order.length && values[order[to]] == values[order[from]]) {
        to++;
      }
      for (int i = from; i < to; i++) {
        ranks[order[i]] = (from + to - 1) / 2.0;
      }
      from = to;
    }
    return ranks;
  }
}
