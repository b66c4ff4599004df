package dev.fathom.evaluate;

/// Do two systems that answered the same items differ by more than chance? Only the items count
/// that one of them got right and the other wrong; if both are equally good, each of these is as
/// likely to fall either way (McNemar 1947, in its exact, binomial form).
///
/// A large p does not say that they are equally good, only that these items cannot tell.
///
/// @param both items that both got right
/// @param onlyFirst items that only the first got right
/// @param onlySecond items that only the second got right
/// @param neither items that both got wrong
public record McNemar(int both, int onlyFirst, int onlySecond, int neither) {
  public McNemar {
    if (both < 0 || onlyFirst < 0 || onlySecond < 0 || neither < 0) {
      throw new IllegalArgumentException(
          "counts of items are at least 0, found %d, %d, %d, %d"
              .formatted(both, onlyFirst, onlySecond, neither));
    }
  }

  /// No items yet.
  public static McNemar none() {
    return new McNemar(0, 0, 0, 0);
  }

  /// The same with one more item.
  public McNemar and(boolean first, boolean second) {
    return new McNemar(
        both + (first && second ? 1 : 0),
        onlyFirst + (first && !second ? 1 : 0),
        onlySecond + (!first && second ? 1 : 0),
        neither + (!first && !second ? 1 : 0));
  }

  /// The same with all items of another.
  public McNemar plus(McNemar other) {
    return new McNemar(
        both + other.both,
        onlyFirst + other.onlyFirst,
        onlySecond + other.onlySecond,
        neither + other.neither);
  }

  /// All items.
  public int of() {
    return both + onlyFirst + onlySecond + neither;
  }

  /// What the second got right more than the first, as a share of all items.
  public double difference() {
    return of() == 0 ? Double.NaN : (double) (onlySecond - onlyFirst) / of();
  }

  /// The probability of a difference at least this large, either way, if both are equally good:
  /// `min(1, 2 Σ_{i ≤ min(b,c)} C(b+c, i) / 2^(b+c))`.
  public double p() {
    int n = onlyFirst + onlySecond;
    int fewer = Math.min(onlyFirst, onlySecond);
    double log = -n * Math.log(2); // of C(n, 0) / 2^n
    double sum = 0;
    for (int i = 0; i <= fewer; i++) {
      sum += Math.exp(log);
      log += Math.log((double) (n - i) / (i + 1));
    }
    return Math.min(1, 2 * sum);
  }
}
