package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.checkpoint.SafetensorsFile;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AttentionCommandTest {
  private static final String PROMPT = "The capital of Italy is";

  private static String out(String... args) {
    var terminal = FakeTerminal.piped();
    int code = terminal.run(args);
    assertThat(code).as(terminal.err()).isEqualTo(Main.DONE);
    return terminal.out();
  }

  private static void isMisuse(String sentence, String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).isEqualTo(Main.MISUSED);
    assertThat(terminal.err()).contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  @Test
  void headsThatAViewCannotUseAreRefusedBeforeTheModelIsOpened() {
    isMisuse("reads one head", "attention", "-m", "nowhere", "--view", "ov", PROMPT);
    isMisuse("not for heads", "attention", "-m", "nowhere", "--view", "heads", "--head", "1.0");
    isMisuse("'5' is not a head", "attention", "-m", "nowhere", "--head", "5", PROMPT);
    isMisuse(
        "--window is for --view knockout, not for patterns",
        "attention",
        "-m",
        "nowhere",
        "--window",
        "3",
        PROMPT);
    isMisuse("--queries is for", "attention", "-m", "nowhere", "--queries", "last", PROMPT);
    isMisuse(
        "--source is for --view ov and qk",
        "attention",
        "-m",
        "nowhere",
        "--source",
        "stream",
        PROMPT);
    isMisuse("--top is for", "attention", "-m", "nowhere", "--view", "sinks", "--top", "3", PROMPT);
    isMisuse("say with --recent", "generate", "-m", "nowhere", "--sinks", "2", PROMPT);
  }

  @Test
  void viewsOfAPromptAndOfTheModelAreDrawn(@TempDir Path folder) {
    String file = folder.resolve("a.safetensors").toString();
    assertThat(out("attention", PROMPT, "--head", "2.0", "--out", file))
        .contains("Attention of head 2.0");
    try (var saved = SafetensorsFile.open(Path.of(file))) {
      assertThat(saved.tensors()).containsOnlyKeys("attention");
    }
    assertThat(out("attention", PROMPT, "--view", "alti")).contains("Origins of 'is', ALTI");
    assertThat(out("attention", PROMPT, "--view", "knockout", "-t", "Rome"))
        .contains("Without a look at one token");
    assertThat(out("attention", "--view", "heads", "--length", "10"))
        .contains("Best induction heads");
    assertThat(out("attention", PROMPT, "--view", "ov", "--head", "3.1")).contains("own rank");
  }

  @Test
  void aRollingCacheContinuesATextOnAndOn() {
    String text = out("generate", PROMPT, "-n", "30", "--ignore-eos", "--recent", "8");
    assertThat(text).isNotBlank();
  }
}
