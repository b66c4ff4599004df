package dev.fathom.cli;

import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// How a model is held and computed.
final class ComputeOptions {
  /// Number formats that weights and activations may have.
  enum Dtype {
    f32,
    bf16
  }

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      description = "Numbers to compute with: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
  private Dtype dtype = Dtype.f32;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads to compute with. Default: as many as the machine has cores.")
  private @Nullable Integer threads;

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      description = "Where to compute: cpu, or cuda:0 and so on. Default: ${DEFAULT-VALUE}.")
  private String device = "cpu";

  Dtype dtype() {
    return dtype;
  }

  /// The threads asked for; empty leaves the choice to the library.
  ///
  /// @throws IllegalArgumentException if fewer than one
  OptionalInt threads() {
    if (threads == null) return OptionalInt.empty();
    if (threads < 1) {
      throw new IllegalArgumentException("--threads must be at least 1, not " + threads + ".");
    }
    return OptionalInt.of(threads);
  }

  String device() {
    return device;
  }
}
