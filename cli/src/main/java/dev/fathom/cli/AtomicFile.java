package dev.fathom.cli;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;

/// Writes a file as a whole or not at all: into a temporary file beside it, which takes its name
/// when complete. A failure, or Ctrl-C, leaves what was there before.
final class AtomicFile {

  /// Writes the content of a file to `temporary`, which does not exist yet.
  @FunctionalInterface
  interface Body {
    void write(Path temporary) throws IOException;
  }

  /// Temporary files now being written, deleted when the process is told to end.
  private static final Set<Path> UNFINISHED = ConcurrentHashMap.newKeySet();

  static {
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> UNFINISHED.forEach(AtomicFile::discard), "discard half-written files"));
  }

  private AtomicFile() {}

  /// Writes `text` in UTF-8.
  ///
  /// @throws FathomException if that fails
  static void writeText(Path target, String text) {
    write(target, temporary -> Files.writeString(temporary, text));
  }

  /// Writes `target` by `body`. A link is followed; a device such as `/dev/null` is written to
  /// directly.
  ///
  /// @throws FathomException if the folder does not exist, is not writable or full, or `target` is
  ///   a folder
  static void write(Path target, Body body) {
    try {
      if (Files.isDirectory(target))
        throw new FathomException(target + " is a folder, not a file to write.");
      if (Files.exists(target) && !Files.isRegularFile(target)) {
        body.write(target);
        return;
      }
      replace(Files.exists(target) ? target.toRealPath() : target.toAbsolutePath(), body);
    } catch (NoSuchFileException e) {
      throw new FathomException("Cannot write " + target + ": its folder does not exist.", e);
    } catch (IOException e) {
      throw new FathomException("Cannot write " + target + ": " + reason(e) + ".", e);
    }
  }

  /// Refuses what certainly cannot be written, before anything is computed for it.
  ///
  /// @throws FathomException if the folder does not exist, or `target` is a folder
  static void requirePlace(Path target) {
    if (Files.isDirectory(target)) {
      throw new FathomException(target + " is a folder, not a file to write.");
    }
    Path folder = target.toAbsolutePath().getParent();
    if (folder != null && !Files.isDirectory(folder)) {
      throw new FathomException("Cannot write " + target + ": its folder does not exist.");
    }
  }

  /// Refuses a folder to keep files in that certainly cannot be made, before anything is computed.
  ///
  /// @throws FathomException if `folder`, or what it would lie in, is a file or not writable
  static void requireFolder(Path folder) {
    Path there = folder.toAbsolutePath();
    while (!Files.exists(there) && there.getParent() != null) {
      there = there.getParent();
    }
    if (!Files.isDirectory(there)) {
      throw new FathomException(
          "Cannot keep files in %s: %s is a file, not a folder.".formatted(folder, there));
    }
    if (!Files.isWritable(there)) {
      throw new FathomException(
          "Cannot keep files in %s: %s is not writable.".formatted(folder, there));
    }
  }

  private static void replace(Path target, Body body) throws IOException {
    var name =
        ".%s.%08x.part".formatted(target.getFileName(), ThreadLocalRandom.current().nextInt());
    var temporary = target.resolveSibling(name);
    UNFINISHED.add(temporary);
    try {
      body.write(temporary);
      Files.move(
          temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      discard(temporary);
      UNFINISHED.remove(temporary);
    }
  }

  private static void discard(Path temporary) {
    try {
      Files.deleteIfExists(temporary);
    } catch (IOException _) {
      // A left-over hidden file does less harm than hiding the failure that is being told.
    }
  }

  private static String reason(IOException e) {
    return switch (e) {
      case AccessDeniedException _ -> "permission denied";
      case FileSystemException f when f.getReason() != null -> f.getReason();
      default -> String.valueOf(e.getMessage());
    };
  }
}
