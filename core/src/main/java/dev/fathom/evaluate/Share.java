package dev.fathom.evaluate;

/// How many of so many, and how sure the share is: Wilson's interval, with 95 % between its ends
/// (Wilson 1927). Unlike a mean's interval it keeps its width where all hit or none.
///
/// @param hits 0 to `of`
/// @param of at least 1
public record Share(int hits, int of) {
  private static final double Z = 1.96;

  public Share {
    if (of < 1 || hits < 0 || hits > of) {
      throw new IllegalArgumentException("%d of %d is no share".formatted(hits, of));
    }
  }

  /// From 0 to 1.
  public double value() {
    return (double) hits / of;
  }

  /// Lower end of the interval.
  public double low() {
    return hits == 0 ? 0 : middle() - half();
  }

  /// Upper end of the interval.
  public double high() {
    return hits == of ? 1 : middle() + half();
  }

  private double middle() {
    return (value() + Z * Z / (2 * of)) / (1 + Z * Z / of);
  }

  private double half() {
    double p = value();
    return Z * Math.sqrt(p * (1 - p) / of + Z * Z / (4.0 * of * of)) / (1 + Z * Z / of);
  }
}
