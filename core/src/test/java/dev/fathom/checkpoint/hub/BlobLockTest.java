package dev.fathom.checkpoint.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(20)
class BlobLockTest {
  @TempDir Path directory;

  @Test
  void onlyOneThreadHoldsALock() throws Exception {
    Path file = directory.resolve("locks/a.lock");
    BlobLock first = BlobLock.tryAcquire(file).orElseThrow();

    assertThat(BlobLock.tryAcquire(file)).isEmpty();
    assertThat(BlobLock.tryAcquire(directory.resolve("locks/../locks/a.lock"))).isEmpty();
    first.close();
    BlobLock.tryAcquire(file).orElseThrow().close();
  }

  @Test
  void onlyOneProcessHoldsALock() throws Exception {
    Path file = directory.resolve("a.lock");
    Process other =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xshare:auto",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                Holder.class.getName(),
                file.toString())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try {
      assertThat(other.getInputStream().read()).as("the other process has it").isEqualTo('h');
      assertThat(BlobLock.tryAcquire(file)).isEmpty();
      assertThat(BlobLock.tryAcquire(file)).as("asking does not free it").isEmpty();

      other.getOutputStream().close();
      other.waitFor();
      BlobLock.tryAcquire(file).orElseThrow().close();
    } finally {
      other.destroyForcibly();
    }
  }

  @Test
  void waitingEndsWhereTheOtherStandsStill() throws Exception {
    Path file = directory.resolve("a.lock");
    Duration tick = Duration.ofMillis(1);
    var patience = new Patience(tick, tick, tick, 1, tick, tick, tick, Duration.ofMillis(20));
    BlobLock held = BlobLock.tryAcquire(file).orElseThrow();
    try (held) {
      assertThatThrownBy(() -> BlobLock.acquire(file, directory.resolve("partial"), patience))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("stands still");
    }
  }

  /// Holds a lock until its input ends.
  static final class Holder {
    public static void main(String[] arguments) throws IOException {
      try (var channel =
              FileChannel.open(
                  Path.of(arguments[0]), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
          var lock = channel.lock()) {
        System.out.print(lock.isValid() ? "h" : "-");
        System.out.flush();
        while (System.in.read() >= 0) {}
      }
    }
  }
}
