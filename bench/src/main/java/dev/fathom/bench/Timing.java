package dev.fathom.bench;

/// Seconds of wall-clock time.
final class Timing {
  private Timing() {}

  /// The shortest of `runs` runs: what the machine can do when nothing else disturbs it.
  static double best(int runs, Runnable work) {
    double best = Double.POSITIVE_INFINITY;
    for (int run = 0; run < runs; run++) {
      long start = System.nanoTime();
      work.run();
      best = Math.min(best, since(start));
    }
    return best;
  }

  static double since(long nanoTime) {
    return (System.nanoTime() - nanoTime) / 1e9;
  }
}
