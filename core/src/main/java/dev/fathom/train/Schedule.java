package dev.fathom.train;

/// How the learning rate goes: up from 0 in a straight line, then down to a floor.
///
/// @param peak the highest rate, reached after the warm-up
/// @param warmup steps of the way up
/// @param steps all steps; the floor is reached at the last
/// @param shape of the way down
/// @param floor the last rate, as a share of the peak
public record Schedule(double peak, long warmup, long steps, Shape shape, double floor) {
  /// The way down after the warm-up.
  public enum Shape {
    COSINE,
    LINEAR,
    CONSTANT
  }

  public Schedule {
    if (!(peak > 0 && Double.isFinite(peak)) || !(floor >= 0 && floor <= 1)) {
      throw new IllegalArgumentException(
          "the learning rate must be above 0 and its floor a share from 0 to 1, found %s and %s"
              .formatted(peak, floor));
    }
    if (steps < 1 || warmup < 0 || warmup > steps) {
      throw new IllegalArgumentException(
          "a schedule needs at least 1 step and no more warm-up than that, found %d and %d"
              .formatted(steps, warmup));
    }
  }

  /// To a fiftieth of the peak along a cosine, after a warm-up of a tenth of the steps, at most
  /// 200.
  public static Schedule cosine(double peak, long steps) {
    return new Schedule(peak, Math.min(200, steps / 10), steps, Shape.COSINE, 0.02);
  }

  /// The rate of a step, counted from 1.
  public double rate(long step) {
    if (step <= warmup) {
      return peak * step / warmup;
    }
    double done = Math.min(1, (double) (step - warmup) / Math.max(1, steps - warmup));
    double left =
        switch (shape) {
          case COSINE -> (1 + Math.cos(Math.PI * done)) / 2;
          case LINEAR -> 1 - done;
          case CONSTANT -> 1;
        };
    return peak * (floor + (1 - floor) * left);
  }
}
