package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
  @TempDir private Path folder = Path.of("set by JUnit");

  @Test
  void aFileIsWrittenAndReplaced() throws IOException {
    var file = folder.resolve("a.txt");
    AtomicFile.writeText(file, "first");
    AtomicFile.writeText(file, "zweite Fassung: äöü");
    assertThat(file).hasContent("zweite Fassung: äöü");
    assertThat(Files.list(folder)).containsExactly(file);
  }

  @Test
  void aFailureLeavesWhatWasThere() throws IOException {
    var file = folder.resolve("a.txt");
    AtomicFile.writeText(file, "before");
    assertThatThrownBy(() ->
            AtomicFile.write(
                file,
                temporary -> {
                  Files.writeString(temporary, "half");
                  throw new IOException("the pen broke");
                }))
        .isInstanceOf(FathomException.class)
        .hasMessage("Cannot write %s: the pen broke.", file);
    assertThat(file).hasContent("before");
    assertThat(Files.list(folder)).containsExactly(file);
  }

  @Test
  void aFolderAndAMissingFolderAreRefusedInWords() {
    assertThatThrownBy(() -> AtomicFile.writeText(folder, "x")).hasMessageContaining("is a folder");
    assertThatThrownBy(() -> AtomicFile.writeText(folder.resolve("no/such.txt"), "x"))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("its folder does not exist");
  }

  @Test
  void whatCannotBeWrittenIsRefusedBeforehand() throws IOException {
    Path file = Files.writeString(folder.resolve("a.txt"), "x");
    AtomicFile.requirePlace(file);
    AtomicFile.requirePlace(folder.resolve("new.txt"));
    AtomicFile.requirePlace(Path.of("new.txt"));
    AtomicFile.requireFolder(folder.resolve("a/b/c"));
    assertThat(Files.list(folder)).containsExactly(file);
    assertThatThrownBy(() -> AtomicFile.requirePlace(folder))
        .isInstanceOf(FathomException.class)
        .hasMessage("%s is a folder, not a file to write.", folder);
    Path nowhere = folder.resolve("no/such.txt");
    assertThatThrownBy(() -> AtomicFile.requirePlace(nowhere))
        .isInstanceOf(FathomException.class)
        .hasMessage("Cannot write %s: its folder does not exist.", nowhere);
    Path below = file.resolve("cache");
    assertThatThrownBy(() -> AtomicFile.requireFolder(below))
        .isInstanceOf(FathomException.class)
        .hasMessage("Cannot keep files in %s: %s is a file, not a folder.", below, file);
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void aLinkIsFollowedAndADeviceIsKept() throws IOException {
    var file = folder.resolve("real.txt");
    AtomicFile.writeText(file, "old");
    var link = Files.createSymbolicLink(folder.resolve("link.txt"), file);
    AtomicFile.writeText(link, "new");
    assertThat(link).isSymbolicLink();
    assertThat(file).hasContent("new");

    AtomicFile.writeText(Path.of("/dev/null"), "gone");
    assertThat(Files.isRegularFile(Path.of("/dev/null"))).isFalse();
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void aProcessThatIsToldToEndLeavesNoHalfFile() throws Exception {
    var file = folder.resolve("a.txt");
    var process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Endless.class.getName(),
                file.toString())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    try (var lines = process.inputReader()) {
      assertThat(lines.readLine()).isEqualTo("half written");
      assertThat(Files.list(folder)).hasSize(1);
      process.destroy(); // the shutdown that Ctrl-C starts too
      assertThat(process.waitFor()).isEqualTo(128 + 15);
    } finally {
      process.destroyForcibly();
    }
    assertThat(Files.list(folder)).isEmpty();
  }

  /// A program that never finishes its file.
  static final class Endless {
    private Endless() {}

    public static void main(String[] args) {
      AtomicFile.write(
          Path.of(args[0]),
          temporary -> {
            Files.writeString(temporary, "half");
            System.out.println("half written");
            LockSupport.park();
          });
    }
  }
}
