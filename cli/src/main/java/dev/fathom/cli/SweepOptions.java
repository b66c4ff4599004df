package dev.fathom.cli;

import dev.fathom.explain.causal.Ablation;
import picocli.CommandLine.Option;

/// How much memory a sweep over changed runs may take.
final class SweepOptions {
  @Option(
      names = "--budget",
      paramLabel = "MB",
      description =
          "Memory for the changed runs that are computed together. Default: ${DEFAULT-VALUE} MB;"
              + " less is slower.")
  private int megabytes = (int) (Ablation.Config.standard().budget() >> 20);

  /// In bytes.
  ///
  /// @throws IllegalArgumentException if there is none
  long budget() {
    if (megabytes < 1) {
      throw new IllegalArgumentException("--budget must be at least 1 MB, not " + megabytes + ".");
    }
    return (long) megabytes << 20;
  }
}
