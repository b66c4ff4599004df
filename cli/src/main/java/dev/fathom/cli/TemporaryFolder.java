package dev.fathom.cli;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The folder that the user named for a run, or one for this run only.
///
/// @param path of the folder
/// @param temporary whether it is deleted when closed
record TemporaryFolder(Path path, boolean temporary) implements AutoCloseable {
  /// @param named by the user; null to make one
  static TemporaryFolder unless(@Nullable Path named) {
    if (named != null) {
      return new TemporaryFolder(named, false);
    }
    try {
      return new TemporaryFolder(Files.createTempDirectory("fathom-"), true);
    } catch (IOException e) {
      throw new FathomException(
          "No temporary folder can be made (%s): name one with --out-dir."
              .formatted(e.getMessage()),
          e);
    }
  }

  @Override
  public void close() {
    if (!temporary) {
      return;
    }
    try (Stream<Path> files = Files.walk(path)) {
      List<Path> all = files.sorted(Comparator.reverseOrder()).toList();
      for (Path file : all) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new FathomException(path + ": cannot be deleted (" + e.getMessage() + ")", e);
    }
  }
}
