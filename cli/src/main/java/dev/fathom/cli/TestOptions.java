package dev.fathom.cli;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// What every kind of test has.
final class TestOptions {
  @Option(
      names = "--data",
      paramLabel = "PATH",
      description =
          "The data, none of which is bundled: for reasoning the folder that holds"
              + " AddSub/test.json, ARC-Easy/test.json and so on; else a file.")
  private @Nullable Path data;

  @Option(
      names = "--seed",
      paramLabel = "S",
      description =
          "With --limit: draw the items; for bias tests: of the resamples. The same seed draws the"
              + " same.")
  private @Nullable Long seed;

  Optional<Path> data() {
    return Optional.ofNullable(data);
  }

  OptionalLong seed() {
    return seed == null ? OptionalLong.empty() : OptionalLong.of(seed);
  }
}
