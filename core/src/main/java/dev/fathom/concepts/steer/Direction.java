package dev.fathom.concepts.steer;

import dev.fathom.align.Basis;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// A direction of some activations to steer along, and what is a small or a large step along it.
/// Equal by content.
///
/// Activations h have the score `(h·v − centre) / spread` along it: about 0 where nothing is known
/// of the concept, and 1 one spread towards it. A step of strength s adds `s · spread · v`.
public final class Direction {
  private final double[] unit;
  private final double spread;
  private final double centre;

  private Direction(double[] unit, double spread, double centre) {
    this.unit = unit;
    this.spread = spread;
    this.centre = centre;
  }

  /// @param vector v, of any length but 0
  /// @param spread how far apart activations lie along it, above 0: their standard deviation, if
  ///   that is known
  /// @param centre `h·v` of activations in the middle
  /// @throws IllegalArgumentException if it has no length, or something is not a number
  public static Direction of(double[] vector, double spread, double centre) {
    double length = Math.sqrt(Arrays.stream(vector).map(x -> x * x).sum());
    if (!(length > 0) || !Double.isFinite(length)) {
      throw new IllegalArgumentException(
          "a direction of length %s points nowhere: nothing can be steered along it"
              .formatted(length));
    }
    if (!(spread > 0) || !Double.isFinite(spread) || !Double.isFinite(centre)) {
      throw new IllegalArgumentException(
          "a direction's spread is a number above 0 and its centre a number, found %s and %s: do all texts have the same activations?"
              .formatted(spread, centre));
    }
    return new Direction(Arrays.stream(vector).map(x -> x / length).toArray(), spread, centre);
  }

  /// A direction whose own length is its spread, and whose centre is 0.
  ///
  /// @throws IllegalArgumentException as [#of(double[], double, double)]
  public static Direction of(double[] vector) {
    return of(vector, Math.sqrt(Arrays.stream(vector).map(x -> x * x).sum()), 0);
  }

  /// A direction with the standard deviation and the mean of what lies along it.
  ///
  /// @param along `h·v` of activations
  /// @throws IllegalArgumentException as [#of(double[], double, double)], so if all are the same
  static Direction along(double[] vector, double[] along) {
    double mean = Arrays.stream(along).average().orElse(0);
    double square = Arrays.stream(along).map(x -> (x - mean) * (x - mean)).average().orElse(0);
    return of(vector, Math.sqrt(square), mean);
  }

  public int width() {
    return unit.length;
  }

  /// v, of length 1, a copy.
  public double[] unit() {
    return unit.clone();
  }

  public double spread() {
    return spread;
  }

  public double centre() {
    return centre;
  }

  /// The step of a strength: `strength · spread · v`.
  public double[] step(double strength) {
    return Arrays.stream(unit).map(x -> strength * spread * x).toArray();
  }

  /// The score of activations with this `h·v`.
  double score(double along) {
    return (along - centre) / spread;
  }

  /// A direction drawn at random whose steps are as long: the control.
  public Direction random(long seed) {
    return new Direction(
        Basis.random(1, unit.length, seed).directions().getFirst(), spread, centre);
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Direction that
        && Arrays.equals(unit, that.unit)
        && spread == that.spread
        && centre == that.centre;
  }

  @Override
  public int hashCode() {
    return 31 * Arrays.hashCode(unit) + Double.hashCode(spread);
  }

  @Override
  public String toString() {
    return "Direction of width %d, spread %s".formatted(unit.length, spread);
  }
}
