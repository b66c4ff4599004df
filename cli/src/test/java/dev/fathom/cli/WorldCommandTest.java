package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

/// `fathom world` and the bundled models, through the real entry point.
class WorldCommandTest {
  @TempDir private Path folder;

  private void refused(int code, String sentence, String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isEqualTo(code);
    assertThat(terminal.err()).contains(sentence);
  }

  private String out(String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isZero();
    return terminal.out();
  }

  @Test
  void whatIsPlantedIsPrinted() {
    assertThat(out("world", "planted", "occupations")).containsPattern("pilots +0\\.90");
    assertThat(out("world", "planted", "occupations", "--fair")).containsPattern("pilots +0\\.50");
    assertThat(out("world", "planted", "facts")).containsPattern("country_capital +France +Paris");
    var json = JsonMapper.shared().readTree(out("world", "planted", "--json", "-"));
    assertThat(json.path("facts").size()).isGreaterThan(1_000);
    assertThat(json.path("peoples").size()).isGreaterThan(30);
  }

  @Test
  void methodsAreTriedWithChanceBesideEach() {
    refused(2, "at least 2 facts", "world", "trial", "--facts", "1");
    String html = folder.resolve("trial.html").toString();
    assertThat(out("world", "trial", "--facts", "2", "--stories", "2", "--html", html))
        .contains("chance", "random direction", "random heads", "for comparison");
    assertThat(folder.resolve("trial.html")).isNotEmptyFile();
  }

  @Test
  void aPlantedBiasIsTakenOutBesideATwin() {
    refused(2, "no method 'lop'", "world", "align", "--methods", "lop");
    refused(2, "at least 1 neuron", "world", "align", "--neurons", "0");
    String html = folder.resolve("align.html").toString();
    String[] short_ = {
      "world",
      "align",
      "--methods",
      "sentence-debias",
      "--neurons",
      "5",
      "--facts",
      "20",
      "--texts",
      "20",
      "--html",
      html
    };
    assertThat(out(short_))
        .contains("best probe", "5 neurons beat random", "sentence-debias", "learnt even shares");
    assertThat(folder.resolve("align.html")).isNotEmptyFile();
  }

  @Test
  void whatIsLearntIsAskedAndAKilledRunGoesOn() {
    refused(2, "2 to 121 new facts", "world", "learn", "--facts", "122");
    String html = folder.resolve("learn.html").toString();
    String runs = folder.resolve("runs").toString();
    String[] short_ = {
      "world",
      "learn",
      "--seeds",
      "1",
      "--facts",
      "4",
      "--old",
      "5",
      "--epochs",
      "0.02",
      "--out-dir",
      runs,
      "--html",
      html
    };
    String first = out(short_);
    assertThat(first)
        .contains("What came of it", "LoRA below + MoD", "router only", "of those known before")
        .contains("What late layers hold, wording");
    assertThat(folder.resolve("learn.html")).isNotEmptyFile();
    assertThat(folder.resolve("runs/items.jsonl")).isNotEmptyFile();
    assertThat(out(short_)).isEqualTo(first);
  }

  @Test
  void textsComeOneALineAndAreTheSameEachTime() {
    List<String> texts = out("world", "text").lines().toList();
    assertThat(texts).hasSizeGreaterThan(5_000);
    assertThat(out("world", "text").lines().toList()).isEqualTo(texts);
    refused(2, "--rounds must be at least 1", "world", "text", "--rounds", "0");
  }

  @Test
  void evaluationSetsAreWritten() {
    out("world", "data", folder.resolve("sets").toString());
    assertThat(folder.resolve("sets/stereoset.json")).isNotEmptyFile();
    assertThat(folder.resolve("sets/crows_pairs.csv")).isNotEmptyFile();
  }

  @Test
  void aShortTrainingGoesOnAndIsThenAModel() throws IOException {
    String made = folder.resolve("made").toString();
    out("world", "train", "--out", made, "--steps", "2", "--threads", "1");
    assertThat(folder.resolve("made/loss.html")).isNotEmptyFile();
    byte[] weights = Files.readAllBytes(folder.resolve("made/model.safetensors"));
    out("world", "train", "--out", made, "--steps", "2", "--threads", "1");
    assertThat(Files.readAllBytes(folder.resolve("made/model.safetensors"))).isEqualTo(weights);
    assertThat(out("models", made)).containsPattern("layers +8");
    refused(
        1,
        "holds a run with steps = 1, but this one has 2",
        "world",
        "train",
        "--out",
        made,
        "--steps",
        "3",
        "--threads",
        "1");
    refused(
        1,
        "holds a run with data = world, fair false",
        "world",
        "train",
        "--out",
        made,
        "--steps",
        "2",
        "--threads",
        "1",
        "--fair");
    Files.delete(folder.resolve("made/config.json"));
    refused(1, "holds a training run that is not finished", "lens", "-m", made, "x");
  }

  @Test
  void theBundledModelIsMeantWhenNoneIsNamed() {
    assertThat(out("lens", "The Eiffel Tower is located in the city of")).contains("Paris");
    assertThat(out("models")).contains("tidepool");
    assertThat(out("models", "tidepool")).containsPattern("d_model +192");
    assertThat(out("tokenize", "It is in Paris.")).contains("' Paris'");
  }
}
