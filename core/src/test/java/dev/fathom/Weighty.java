package dev.fathom;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/// Real weights for tests tagged `weights`: looked for in the directory FATHOM_TEST_MODELS names,
/// and skipped, saying so, where there are none.
public final class Weighty {
  private Weighty() {}

  /// SmolLM2-135M-Instruct as a Q4_1 GGUF file.
  public static Path smolLm2() {
    return file("SmolLM2-135M-Instruct.Q4_1.gguf");
  }

  /// A file of a data set that is not bundled, looked for in `data` beside the models directory.
  public static Path data(String name) {
    return file("../data/" + name);
  }

  /// A file below the models directory.
  public static Path file(String name) {
    Optional<Path> found =
        Optional.ofNullable(System.getenv("FATHOM_TEST_MODELS"))
            .map(directory -> Path.of(directory).resolve(name))
            .filter(Files::exists);
    assumeTrue(
        found.isPresent(), "needs " + name + " in the directory that FATHOM_TEST_MODELS names");
    return found.orElseThrow();
  }
}
