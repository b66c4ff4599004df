package dev.fathom.checkpoint.hub;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// Held while a blob arrives, against other threads and other processes.
final class BlobLock implements AutoCloseable {
  /// Locks of this process. File locks belong to a process, and closing any channel of a file drops
  /// all of its locks, so two threads must not even open the same lock file.
  private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

  private final Path file;
  private final FileChannel channel;

  private BlobLock(Path file, FileChannel channel) {
    this.file = file;
    this.channel = channel;
  }

  /// Waits until the lock is free, as long as the one who holds it makes progress.
  ///
  /// @param file the lock file; created where missing
  /// @param growing what the holder writes; as long as it grows, waiting goes on
  /// @throws FathomException where it stands still for [Patience#lockStall]
  static BlobLock acquire(Path file, Path growing, Patience patience)
      throws IOException, InterruptedException {
    long size = -1;
    long since = System.nanoTime();
    while (true) {
      Optional<BlobLock> lock = tryAcquire(file);
      if (lock.isPresent()) {
        return lock.get();
      }
      long now = Files.exists(growing) ? Files.size(growing) : 0;
      if (now != size) {
        size = now;
        since = System.nanoTime();
      } else if (System.nanoTime() - since > patience.lockStall().toNanos()) {
        throw new FathomException(
            "Another process holds %s but its download stands still; end that process and try again"
                .formatted(file));
      }
      Thread.sleep(patience.lockPoll());
    }
  }

  static Optional<BlobLock> tryAcquire(Path file) throws IOException {
    Path directory = Files.createDirectories(file.toAbsolutePath().normalize().resolveSibling(""));
    Path key = directory.toRealPath().resolve(file.getFileName());
    if (!HELD.add(key)) {
      return Optional.empty();
    }
    FileChannel channel = null;
    boolean held = false;
    try {
      channel = FileChannel.open(key, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      held = lock(channel);
      return held ? Optional.of(new BlobLock(key, channel)) : Optional.empty();
    } finally {
      if (!held) {
        release(key, channel);
      }
    }
  }

  /// Some network file systems know no locks; there the checksum alone guards the blob.
  private static boolean lock(FileChannel channel) {
    try {
      FileLock lock = channel.tryLock();
      return lock != null;
    } catch (IOException e) {
      return true;
    }
  }

  @Override
  public void close() throws IOException {
    release(file, channel);
  }

  private static void release(Path key, @Nullable FileChannel channel) throws IOException {
    try {
      if (channel != null) {
        channel.close();
      }
    } finally {
      HELD.remove(key);
    }
  }
}
