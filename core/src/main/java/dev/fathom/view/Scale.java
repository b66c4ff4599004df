package dev.fathom.view;

import java.util.stream.DoubleStream;

/// How numbers become colours, and what they are measured in. An end that is NaN is taken from the
/// data when the picture is drawn ([#fit]).
///
/// @param kind the shape of the colour ramp
/// @param low the value at the ramp's lower end, or NaN
/// @param high the value at its upper end, or NaN
/// @param unit what the numbers are: `probability`, `logit difference`, `nats`
public record Scale(Kind kind, double low, double high, String unit) {

  /// The shape of a colour ramp.
  public enum Kind {
    /// From nothing to much, in proportion.
    SEQUENTIAL,
    /// From nothing to much in proportion to log(1 + value): ranks and counts.
    LOGARITHMIC,
    /// From negative over a neutral 0 to positive, as far on either side.
    DIVERGING
  }

  /// Probabilities from 0 to 1.
  public static Scale probability() {
    return new Scale(Kind.SEQUENTIAL, 0, 1, "probability");
  }

  /// From 0 (or the least value, if negative) to the greatest value.
  public static Scale sequential(String unit) {
    return new Scale(Kind.SEQUENTIAL, Double.NaN, Double.NaN, unit);
  }

  /// From 0 to the greatest value, by logarithm; for ranks and counts.
  public static Scale logarithmic(String unit) {
    return new Scale(Kind.LOGARITHMIC, 0, Double.NaN, unit);
  }

  /// Centred at 0 and as far to either side as the greatest magnitude.
  public static Scale diverging(String unit) {
    return new Scale(Kind.DIVERGING, Double.NaN, Double.NaN, unit);
  }

  /// The same scale with fixed ends; a diverging one should have `low == -high`.
  public Scale between(double low, double high) {
    return new Scale(kind, low, high, unit);
  }

  /// This scale with both ends known: those given, or else those of the data. NaN and infinite
  /// values are left out; without any value the ends are 0 and 1.
  public Scale fit(DoubleStream values) {
    if (!Double.isNaN(low) && !Double.isNaN(high)) {
      return this;
    }
    var seen = values.filter(Double::isFinite).summaryStatistics();
    boolean none = seen.getCount() == 0;
    double least = none ? 0 : Math.min(0, seen.getMin());
    double most = none ? 1 : Math.max(0, seen.getMax());
    if (kind == Kind.DIVERGING) {
      most = Math.max(most, -least);
      least = -most;
    }
    if (most == least) {
      most = 1;
      least = kind == Kind.DIVERGING ? -1 : 0;
    }
    return new Scale(kind, Double.isNaN(low) ? least : low, Double.isNaN(high) ? most : high, unit);
  }

  /// Where a value stands on the ramp of a fitted scale: 0 to 1, or -1 to 1 on a diverging one.
  /// Values beyond an end stand at that end; NaN stays NaN.
  public double position(double value) {
    double position =
        switch (kind) {
          case SEQUENTIAL -> (value - low) / (high - low);
          case LOGARITHMIC -> Math.log1p(Math.max(0, value - low)) / Math.log1p(high - low);
          case DIVERGING -> value / Math.max(Math.abs(low), Math.abs(high));
        };
    return Double.isNaN(value)
        ? Double.NaN
        : Math.clamp(position, kind == Kind.DIVERGING ? -1 : 0, 1);
  }
}
