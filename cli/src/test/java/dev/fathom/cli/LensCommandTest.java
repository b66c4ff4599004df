package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LensCommandTest {
  private static final String PROMPTS =
      """
      {"id": "a", "prompt": "The Eiffel Tower is located in the city of", "target": "Paris"}
      {"prompt": "Lima is located in the country of"}
      """;

  private static void fails(int code, String sentence, String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).isEqualTo(code);
    assertThat(terminal.err()).contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  private static String runs(String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isEqualTo(Main.DONE);
    return terminal.out();
  }

  @Test
  void contradictoryOptionsAreRefusedBeforeTheModelIsOpened() {
    int misused = Main.MISUSED;
    fails(misused, "needs --out-dir", "lens", "-m", "nowhere", "--prompts", "f.jsonl");
    fails(misused, "--out-dir is for --prompts", "lens", "-m", "nowhere", "x", "--out-dir", "d");
    fails(misused, "Give one of PROMPT", "lens", "-m", "nowhere", "x", "--text", "t.txt");
    fails(misused, "--window is for --text", "lens", "-m", "nowhere", "x", "--window", "9");
    fails(misused, "expected low, high", "generate", "-m", "nowhere", "x", "--dola", "deep");
    fails(misused, "go with --dola", "generate", "-m", "nowhere", "x", "--dola-layers");
    fails(
        misused,
        "1 to 512 positions",
        "lens",
        "train",
        "-m",
        "nowhere",
        "--text",
        "t",
        "--save",
        "s",
        "--positions",
        "513");
  }

  @Test
  void aLensIsLearntReadAndKeptToItsModel(@TempDir Path folder) throws IOException {
    Path text = folder.resolve("text.txt");
    Files.writeString(text, runs("world", "text").lines().limit(60).toList().toString());
    String lens = folder.resolve("lens.safetensors").toString();
    String learnt =
        runs(
            "lens",
            "train",
            "--text",
            text.toString(),
            "--save",
            lens,
            "--window",
            "32",
            "--steps",
            "2",
            "--positions",
            "64");
    assertThat(learnt).contains("Distance to the final prediction", "tuned lens");
    assertThat(runs("lens", "--tuned", lens, "Lima is located in the country of"))
        .contains("Logit lens and tuned lens");
    assertThat(runs("lens", "--text", text.toString(), "--tuned", lens, "--window", "64"))
        .contains("Agreement by layer", "Exit by confidence");
  }

  @Test
  void promptsLeaveADirectoryThatASecondRunKeepsAndOtherSettingsAreRefused(@TempDir Path folder)
      throws IOException {
    Path prompts = folder.resolve("p.jsonl");
    Files.writeString(prompts, PROMPTS);
    String out = folder.resolve("out").toString();
    String first = runs("lens", "--prompts", prompts.toString(), "--out-dir", out);
    assertThat(first).contains("Over 2 prompts");
    assertThat(folder.resolve("out"))
        .isDirectoryContaining("glob:**/items.jsonl")
        .isDirectoryContaining("glob:**/result.json")
        .isDirectoryContaining("glob:**/report.html");
    String items = Files.readString(folder.resolve("out/items.jsonl"));
    assertThat(items).contains("\"key\":\"1:a\"", "\"key\":\"2\"", "\"target_text\":\" Paris\"");
    assertThat(runs("lens", "--prompts", prompts.toString(), "--out-dir", out)).isEqualTo(first);
    assertThat(folder.resolve("out/items.jsonl")).content().isEqualTo(items);
    fails(
        Main.FAILED,
        "target = , but this run has Rome",
        "lens",
        "--prompts",
        prompts.toString(),
        "--out-dir",
        out,
        "--target",
        "Rome");
  }

  @Test
  void contrastedLayersAreShownAndInJson() {
    String shown =
        runs("generate", "Lima is located in the", "-n", "2", "--dola", "2,4", "--dola-layers");
    assertThat(shown).contains("Premature layer", "Layers chosen");
    String json =
        runs("generate", "Lima is located in the", "-n", "2", "--dola", "4", "--json", "-");
    assertThat(json.replaceAll("\\s", "")).contains("\"prematureLayers\":[4,4]");
  }
}
