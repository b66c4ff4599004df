package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.checkpoint.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The figures of the thesis through the real entry point, on the bundled model.
class FiguresCommandTest {
  @TempDir private Path folder;

  private FakeTerminal run(int code, String... more) {
    var terminal = FakeTerminal.piped();
    var args = new String[3 + more.length];
    args[0] = "figures";
    args[1] = "--out-dir";
    args[2] = folder.toString();
    System.arraycopy(more, 0, args, 3, more.length);
    assertThat(terminal.run(args)).as(terminal.err()).isEqualTo(code);
    return terminal;
  }

  private Path file(String name) {
    return folder.resolve(name);
  }

  @Test
  void eachFigureIsAPictureItsArraysAndAPlaceOnThePage() throws IOException {
    var made = run(Main.DONE, "--only", "4.1,4.2");
    assertThat(made.out().strip()).isEqualTo(file("index.html").toString());
    assertThat(made.err()).contains("figure 4.1: Logit lens", "figure 4.2");
    assertThat(file("figure-4.1.svg")).content().startsWith("<svg").contains("Paris");
    assertThat(Files.readAllBytes(file("figure-4.1.png"))).startsWith(0x89, 'P', 'N', 'G');
    try (var arrays = SafetensorsFile.open(file("figure-4.2.safetensors"))) {
      assertThat(arrays.tensors()).containsKeys("knowledge_target_prob", "ioi_target_rank");
    }
    assertThat(file("index.html"))
        .content()
        .contains("Figure 4.1", "Figure 4.2", "In the thesis", "Drawn for tidepool")
        .doesNotContain("Figure 4.3", "<script");
  }

  @Test
  void aFigureThatIsThereStaysUnlessForcedAndAHalfOneIsMadeAgain() throws IOException {
    run(Main.DONE, "--only", "4.1,B.1");
    FileTime old = FileTime.fromMillis(1_000_000_000_000L);
    for (String name : new String[] {"figure-4.1.svg", "figure-B.1.svg"}) {
      Files.setLastModifiedTime(file(name), old);
    }
    Files.delete(file("figure-B.1.json"));
    var again = run(Main.DONE, "--only", "4.1,B.1");
    assertThat(again.err()).contains("figure 4.1 is there already").contains("figure B.1: ");
    assertThat(Files.getLastModifiedTime(file("figure-4.1.svg"))).isEqualTo(old);
    assertThat(Files.getLastModifiedTime(file("figure-B.1.svg"))).isGreaterThan(old);
    run(Main.DONE, "--only", "4.1", "--force", "--quiet");
    assertThat(Files.getLastModifiedTime(file("figure-4.1.svg"))).isGreaterThan(old);
    assertThat(file("index.html")).content().contains("Figure 4.1", "Figure B.1");
  }

  @Test
  void aDirectoryHoldsTheFiguresOfOneModel() throws IOException {
    run(Main.DONE, "--only", "4.1,B.2");
    assertThat(run(Main.FAILED, "--only", "4.1", "--dtype", "bf16").err())
        .contains("holds figures of tidepool in f32", "--force");
    run(Main.DONE, "--only", "4.1", "--dtype", "bf16", "--force");
    assertThat(file("index.html")).content().contains("in bf16").doesNotContain("Figure B.2");
  }

  @Test
  void aFigureThatDoesNotExistIsRefusedBeforeAModelIsOpened() {
    assertThat(run(Main.MISUSED, "-m", "nowhere", "--only", "9.9").err())
        .contains("There is no figure '9.9': choose from 4.1, 4.2");
    assertThat(run(Main.FAILED, "--only", "5.2", "--studies", file("no").toString()).err())
        .contains("there is no such folder of studies");
    assertThat(run(Main.DONE, "--only", "5.2").err())
        .contains("figure 5.2 is missing: fathom study routing");
  }
}
