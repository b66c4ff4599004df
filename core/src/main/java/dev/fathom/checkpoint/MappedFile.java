package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// A whole file mapped read-only, and the one place that turns failures of opening into sentences.
record MappedFile(Path path, MemorySegment bytes, Arena arena) implements AutoCloseable {
  @SuppressWarnings("MustBeClosedChecker") // the arena lives as long as the record that holds it
  static MappedFile open(Path path) {
    if (Files.exists(path) && !Files.isRegularFile(path)) {
      throw new FathomException(path + ": expected a weight file, found something else");
    }
    Arena arena = Arena.ofShared();
    boolean opened = false;
    try (var channel = FileChannel.open(path, StandardOpenOption.READ)) {
      var bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      opened = true;
      return new MappedFile(path, bytes, arena);
    } catch (NoSuchFileException e) {
      throw new FathomException(path + ": no such file", e);
    } catch (IOException e) {
      throw new FathomException(path + ": cannot be read (" + e.getMessage() + ")", e);
    } finally {
      if (!opened) {
        arena.close();
      }
    }
  }

  /// The name shown at the head of messages.
  String label() {
    Path name = path.getFileName();
    return name == null ? path.toString() : name.toString();
  }

  FathomException malformed(String what) {
    return malformed(label(), what);
  }

  static FathomException malformed(String label, String what) {
    return new FathomException(
        label + ": " + what + " (the file is damaged or incomplete; try to fetch it again)");
  }

  MemorySegment slice(TensorInfo info) {
    return bytes.asSlice(info.offset(), info.bytes());
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
