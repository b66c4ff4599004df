package dev.fathom.evaluate.bias;

/// Logarithms to base 2.
final class Bits {
  private static final double LN_2 = Math.log(2);

  private Bits() {}

  /// Of a natural logarithm.
  static double of(double nats) {
    return nats / LN_2;
  }

  /// `log2 ((2^a_1 + … + 2^a_n) / n)`, without leaving logarithms.
  static double mean(double[] logs) {
    double most = Double.NEGATIVE_INFINITY;
    for (double log : logs) {
      most = Math.max(most, log);
    }
    if (most == Double.NEGATIVE_INFINITY) {
      return most;
    }
    double sum = 0;
    for (double log : logs) {
      sum += Math.exp((log - most) * LN_2);
    }
    return most + of(Math.log(sum / logs.length));
  }
}
