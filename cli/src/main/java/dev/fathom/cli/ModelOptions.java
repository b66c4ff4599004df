package dev.fathom.cli;

import java.util.OptionalInt;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Which model, with which edits, and how it is held and computed.
final class ModelOptions {
  @Option(
      names = {"-m", "--model"},
      paramLabel = "M",
      description =
          "A bundled model, a Hugging Face directory, a .gguf file, or hf:owner/name[@revision]."
              + " Default: ${DEFAULT-VALUE}.")
  private String model = ModelLocation.DEFAULT;

  @Mixin private final EditOptions edits = new EditOptions();
  @Mixin private final ComputeOptions compute = new ComputeOptions();

  /// Where the model is, as the user wrote it.
  String model() {
    return model;
  }

  EditOptions edits() {
    return edits;
  }

  ComputeOptions compute() {
    return compute;
  }

  ComputeOptions.Dtype dtype() {
    return compute.dtype();
  }

  /// The threads asked for; empty leaves the choice to the library.
  ///
  /// @throws IllegalArgumentException if fewer than one
  OptionalInt threads() {
    return compute.threads();
  }

  String device() {
    return compute.device();
  }
}
