package dev.fathom.train;

import java.util.OptionalDouble;

/// How far a run is, besides the parameters and the optimiser's moments.
///
/// @param step steps done
/// @param epoch the epoch being read
/// @param batch batches of it that are done
/// @param tokens seen in all
/// @param seconds spent in steps
/// @param heldOut the newest mean loss on held-out rows
/// @param best the lowest of them
/// @param sinceBest evaluations since then
record RunState(
    long step,
    int epoch,
    int batch,
    long tokens,
    double seconds,
    OptionalDouble heldOut,
    OptionalDouble best,
    int sinceBest) {
  static final RunState START =
      new RunState(0, 0, 0, 0, 0, OptionalDouble.empty(), OptionalDouble.empty(), 0);

  RunState after(Cursor cursor, Trainer.Step last, double took) {
    return new RunState(
        step + 1,
        cursor.epoch(),
        cursor.batch(),
        tokens + last.tokens(),
        seconds + took,
        heldOut,
        best,
        sinceBest);
  }

  RunState evaluated(double loss) {
    boolean better = best.isEmpty() || loss < best.getAsDouble();
    return new RunState(
        step,
        epoch,
        batch,
        tokens,
        seconds,
        OptionalDouble.of(loss),
        better ? OptionalDouble.of(loss) : best,
        better ? 0 : sinceBest + 1);
  }

  boolean stopped(int patience) {
    return patience > 0 && sinceBest >= patience;
  }

  /// All of it, for other processes.
  double[] numbers() {
    return new double[] {
      step,
      epoch,
      batch,
      tokens,
      seconds,
      heldOut.orElse(Double.NaN),
      best.orElse(Double.NaN),
      sinceBest
    };
  }

  /// From its [#numbers()].
  static RunState of(double[] numbers) {
    return new RunState(
        (long) numbers[0],
        (int) numbers[1],
        (int) numbers[2],
        (long) numbers[3],
        numbers[4],
        optional(numbers[5]),
        optional(numbers[6]),
        (int) numbers[7]);
  }

  private static OptionalDouble optional(double number) {
    return Double.isNaN(number) ? OptionalDouble.empty() : OptionalDouble.of(number);
  }
}
