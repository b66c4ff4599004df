package dev.fathom.align.probe;

import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;

/// The area under the ROC curve: how often does a positive example score higher than a negative
/// one? Equal scores count half (Mann and Whitney 1947, with mid-ranks). 0.5 is chance; it does not
/// depend on a threshold, nor on how many there are of each class.
///
/// The interval is Newcombe's (2006, method 5): the values from which the one found is less than
/// 1.96 standard errors away, with Hanley and McNeil's variance at that value. It keeps a width
/// where all pairs are ordered rightly. It takes examples as drawn independently of each other.
///
/// @param value from 0 to 1
/// @param low lower end of the 95 % interval
/// @param high upper end
public record Auc(double value, double low, double high) {
  private static final double Z = 1.96;

  /// Of scores of examples.
  ///
  /// @throws IllegalArgumentException if there are not both classes, or a score is NaN
  public static Auc of(double[] scores, boolean[] positive) {
    double value = value(scores, positive);
    double m = LogisticFit.count(positive);
    double n = positive.length - m;
    DoubleUnaryOperator error = area -> standardError(area, m, n);
    return new Auc(value, end(value, 0, error), end(value, 1, error));
  }

  /// The area alone, of scores of which the first half is of positive examples.
  public static double ofHalves(double[] scores) {
    boolean[] positive = new boolean[scores.length];
    Arrays.fill(positive, 0, positive.length / 2, true);
    return value(scores, positive);
  }

  /// The area alone.
  public static double value(double[] scores, boolean[] positive) {
    int m = LogisticFit.count(positive);
    int n = positive.length - m;
    if (scores.length != positive.length || m == 0 || n == 0) {
      throw new IllegalArgumentException(
          "an AUC needs a score for each of some positive and some negative examples, found %d"
                  .formatted(scores.length)
              + " scores, %d positive and %d negative".formatted(m, n));
    }
    double[] high = new double[m];
    double[] low = new double[n];
    int h = 0;
    int l = 0;
    for (int i = 0; i < scores.length; i++) {
      if (Double.isNaN(scores[i])) {
        throw new IllegalArgumentException("the score of example %d is not a number".formatted(i));
      }
      double score = scores[i] + 0.0; // −0 is 0
      if (positive[i]) {
        high[h++] = score;
      } else {
        low[l++] = score;
      }
    }
    Arrays.sort(high);
    Arrays.sort(low);
    long halves = 0; // two for a pair in order, one for a tie
    int below = 0;
    int notAbove = 0;
    for (double score : high) {
      while (below < n && low[below] < score) {
        below++;
      }
      while (notAbove < n && low[notAbove] <= score) {
        notAbove++;
      }
      halves += below + notAbove;
    }
    return halves / (2.0 * m * n);
  }

  private static double standardError(double area, double m, double n) {
    double half = (m + n) / 2 - 1;
    return Math.sqrt(
        area
            * (1 - area)
            * (1 + half * (1 - area) / (2 - area) + half * area / (1 + area))
            / (m * n));
  }

  /// Between a value and a bound, where the value is 1.96 standard errors away.
  private static double end(double value, double bound, DoubleUnaryOperator error) {
    double near = value;
    double far = bound;
    for (int i = 0; i < 60; i++) {
      double middle = (near + far) / 2;
      if (Math.abs(value - middle) < Z * error.applyAsDouble(middle)) {
        near = middle;
      } else {
        far = middle;
      }
    }
    return far;
  }
}
