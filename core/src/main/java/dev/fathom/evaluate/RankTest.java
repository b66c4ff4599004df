package dev.fathom.evaluate;

import java.util.Arrays;

/// Do the numbers of one group tend to be greater than those of another? (Mann and Whitney 1947.)
/// It looks at ranks alone, so outliers and the shape of the distributions do not matter.
///
///     U = Σ over pairs of (1 where the one is greater, ½ where both are equal)
///
/// p is exact for up to 60 numbers, ties included: the share of all ways to deal the same ranks to
/// groups of these sizes whose U is at least as far from the middle. Beyond, it is that of a normal
/// distribution with the variance of tied ranks, and a continuity correction of ½.
///
/// It takes the numbers as drawn independently of each other; a large p says that these numbers
/// cannot tell, not that the groups are alike.
///
/// @param share U over the number of pairs: how often is a number of the one group greater than one
///   of the other? 0.5 where neither tends to be
/// @param p the probability of a share at least this far from 0.5, either way, if the groups are
///   dealt at random
public record RankTest(double share, double p) {
  private static final int EXACT = 60;

  /// Of some numbers against others.
  ///
  /// @throws IllegalArgumentException if one of both is empty, or a number is NaN
  public static RankTest of(double[] one, double[] other) {
    int m = one.length;
    int n = other.length;
    double[] all = Arrays.copyOf(one, m + n);
    System.arraycopy(other, 0, all, m, n);
    if (m == 0 || n == 0 || Arrays.stream(all).anyMatch(Double::isNaN)) {
      throw new IllegalArgumentException(
          "a rank test takes numbers of two groups, found %d and %d, %d of them not a number"
              .formatted(m, n, Arrays.stream(all).filter(Double::isNaN).count()));
    }
    Arrays.setAll(all, i -> all[i] + 0.0); // −0 is 0
    double[] ranks = RankCorrelation.ranks(all);
    double sum = Arrays.stream(ranks, 0, m).sum();
    double u = sum - m * (m - 1) / 2.0;
    double p = m + n <= EXACT ? exact(ranks, m, sum) : normal(ranks, m, n, u);
    return new RankTest(u / ((double) m * n), p);
  }

  /// Counts the ways to choose m of the ranks by their sum; doubled, ranks are whole numbers.
  private static double exact(double[] ranks, int m, double sum) {
    int most = (int) Math.round(2 * Arrays.stream(ranks).sum());
    double[][] ways = new double[m + 1][most + 1];
    ways[0][0] = 1;
    for (double rank : ranks) {
      int twice = (int) Math.round(2 * rank);
      for (int chosen = m; chosen > 0; chosen--) {
        for (int total = most; total >= twice; total--) {
          ways[chosen][total] += ways[chosen - 1][total - twice];
        }
      }
    }
    double middle = m * (ranks.length - 1); // twice the mean sum
    double off = Math.abs(Math.round(2 * sum) - middle);
    double all = 0;
    double far = 0;
    for (int total = 0; total <= most; total++) {
      all += ways[m][total];
      far += Math.abs(total - middle) >= off ? ways[m][total] : 0;
    }
    return far / all;
  }

  private static double normal(double[] ranks, int m, int n, double u) {
    double[] sorted = ranks.clone();
    Arrays.sort(sorted);
    double all = m + n;
    double ties = 0; // Σ t³ − t
    for (int from = 0; from < sorted.length; ) {
      int to = from;
      while (to < sorted.length && sorted[to] == sorted[from]) {
        to++;
      }
      double t = to - from;
      ties += t * t * t - t;
      from = to;
    }
    double variance = m * (double) n / 12 * (all + 1 - ties / (all * (all - 1)));
    double off = Math.max(0, Math.abs(u - m * (double) n / 2) - 0.5);
    return variance == 0 ? 1 : Math.min(1, 2 * above(off / Math.sqrt(variance)));
  }

  /// The share of a normal distribution above z ≥ 0: `½ erfc(z / √2)`, by the continued fraction
  /// where that converges well and the series where it does not (Abramowitz and Stegun 26.2.10 and
  /// 26.2.14).
  private static double above(double z) {
    double density = Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
    if (z > 3) {
      double below = 0;
      for (int k = 60; k > 0; k--) {
        below = k / (z + below);
      }
      return density / (z + below);
    }
    double term = z;
    double sum = z;
    for (int k = 1; k < 100; k++) {
      term *= z * z / (2 * k + 1);
      sum += term;
    }
    return 0.5 - density * sum;
  }
}
