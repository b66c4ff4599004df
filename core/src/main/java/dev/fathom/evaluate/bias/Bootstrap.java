package dev.fathom.evaluate.bias;

/// How often items are drawn anew, with putting back, to see how much a score depends on which
/// items there happen to be (Efron 1979). Items are drawn within their terms, as many as the term
/// has; which terms there are stays as it is, so intervals say nothing about other terms.
///
/// Neither the order of the items nor that of the terms matters; the same seed draws the same.
///
/// @param resamples how often, at least 100
public record Bootstrap(int resamples, long seed) {
  public Bootstrap {
    if (resamples < 100) {
      throw new IllegalArgumentException(
          "An interval needs at least 100 resamples, found " + resamples + ".");
    }
  }

  /// A thousand, with seed 0.
  public static Bootstrap standard() {
    return new Bootstrap(1000, 0);
  }

  /// Ten thousand, with seed 0, for p-values: a thousand know none below 0.002.
  public static Bootstrap fine() {
    return new Bootstrap(10_000, 0);
  }

  public Bootstrap withSeed(long seed) {
    return new Bootstrap(resamples, seed);
  }
}
