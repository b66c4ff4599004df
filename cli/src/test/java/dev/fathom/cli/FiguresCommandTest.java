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

  @Test
  void figuresAboutConceptsAreDrawnFromTheModelsOwnDictionary() throws IOException {
    Path base = folder.resolveSibling(folder.getFileName() + "-concepts");
    var build = FakeTerminal.piped();
    assertThat(
            build.run(
                "concepts", "build", "--layers", "3", "--out-dir", base.toString(), "--quiet"))
        .as(build.err())
        .isZero();
    String both = base + "," + base;
    assertThat(run(Main.DONE, "--only", "4.5,4.6", "--dictionaries", both).err())
        .contains("figure 4.5: Concepts before and after tuning", "figure 4.6: Around a concept");
    assertThat(file("figure-4.6.svg")).content().contains("Around &#39;love&#39; in tidepool");
    try (var arrays = SafetensorsFile.open(file("figure-4.5.safetensors"))) {
      assertThat(arrays.tensors()).containsKeys("map_base", "map_tuned", "cosine");
    }
    assertThat(run(Main.DONE, "--only", "4.5", "--force", "--dictionaries", both).err())
        .contains("figure 4.5: ");
    assertThat(
            run(
                    Main.FAILED,
                    "-m",
                    "tidepool-fair",
                    "--force",
                    "--only",
                    "4.5",
                    "--dictionaries",
                    both)
                .err())
        .contains("tidepool");
    assertThat(run(Main.MISUSED, "--dictionaries", both + "," + base).err())
        .contains("--dictionaries: one or two are needed", "found 3");
    assertThat(run(Main.MISUSED, "--around", "love").err()).contains("--around love: give");
    assertThat(run(Main.MISUSED, "--dictionaries", both, "--around", "nobody").err())
        .contains("there is no concept 'nobody' among its 36");
  }
}
