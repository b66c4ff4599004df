package dev.fathom.train;

import java.util.ArrayDeque;

/// Tokens a second over the last steps, and the time left at that speed.
final class Speed {
  private static final int STEPS = 20;

  private record Point(long nanos, long tokens) {}

  private final long steps;
  private final ArrayDeque<Point> recent = new ArrayDeque<>();

  Speed(long steps) {
    this.steps = steps;
  }

  static double since(long nanos) {
    return (System.nanoTime() - nanos) / 1e9;
  }

  Trainer.Progress after(RunState state, Trainer.Step step) {
    recent.add(new Point(System.nanoTime(), state.tokens()));
    if (recent.size() > STEPS) {
      recent.removeFirst();
    }
    Point first = recent.getFirst();
    Point last = recent.getLast();
    double seconds = (last.nanos - first.nanos) / 1e9;
    double speed = seconds > 0 ? (last.tokens - first.tokens) / seconds : Double.NaN;
    double each = seconds / Math.max(1, recent.size() - 1);
    return new Trainer.Progress(
        state.step(),
        steps,
        step.loss(),
        step.measures(),
        state.heldOut(),
        step.rate(),
        speed,
        each * (steps - state.step()));
  }
}
