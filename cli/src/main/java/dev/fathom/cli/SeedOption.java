package dev.fathom.cli;

import picocli.CommandLine.Option;

/// The seed of a command that draws random numbers.
final class SeedOption {
  @Option(
      names = "--seed",
      paramLabel = "N",
      description =
          "Seed of everything random; the same seed gives the same result. Default: ${DEFAULT-VALUE}.")
  private long seed = 0;

  long seed() {
    return seed;
  }
}
