package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Studies through the real entry point, as small as they can be.
class StudyCommandTest {
  @TempDir private Path folder;

  @BeforeEach
  void makeData() throws IOException {
    Path set = folder.resolve("data/ARC-Easy");
    Files.createDirectories(set);
    Files.writeString(set.resolve("train.json"), items(0, 10));
    Files.writeString(set.resolve("test.json"), items(100, 3));
  }

  private static String items(int from, int count) {
    return IntStream.range(from, from + count)
        .mapToObj(i ->
            ("{\"instruction\": \"Which is %d?\\n\\nAnswer1: a Answer2: b\","
                    + " \"input\": \"\", \"output\": \"the correct answer is answer1\","
                    + " \"answer\": \"answer1\"}")
                .formatted(i))
        .collect(Collectors.joining(",", "[", "]"));
  }

  private JsonNode study(String what, String... more) {
    var fixed =
        new String[] {
          "study",
          what,
          "--data",
          folder.resolve("data").toString(),
          "--out-dir",
          folder.resolve("runs").toString(),
          "--rows",
          "6",
          "--held-out",
          "2",
          "--batch",
          "3",
          "--seeds",
          "1",
          "--late",
          "2",
          "--lora-rank",
          "2",
          "--answer-tokens",
          "4",
          "--json",
          "-"
        };
    var all = java.util.Arrays.copyOf(fixed, fixed.length + more.length);
    System.arraycopy(more, 0, all, fixed.length, more.length);
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(all)).as(terminal.err()).isZero();
    return JsonMapper.shared().readTree(terminal.out());
  }

  @Test
  void aGridHasACellForEachChoiceAndIsNotComputedTwice() throws IOException {
    JsonNode first = study("grid", "--test-items", "0");
    assertThat(first.toString()).contains("k, late layers");
    assertThat(folder.resolve("runs/arc-e/mod_k2_top1-seed1/train/mod.safetensors")).exists();
    Path log = folder.resolve("runs/arc-e/mod_k2_top2-seed1/train/log.jsonl");
    String before = Files.readString(log);
    JsonNode _ = study("grid", "--test-items", "0");
    assertThat(Files.readString(log)).isEqualTo(before);
    assertThat(figures("5.3,5.4"))
        .contains("<h2>Figure 5.3: ", "arc-e: best with k = ", "Not here yet", "Figure 5.4: ")
        .contains("<code>fathom study ablations ");
  }

  /// The page of the thesis' figures with what studies left.
  private String figures(String only) throws IOException {
    Path pictures = folder.resolve("figures");
    var terminal = FakeTerminal.piped();
    int code =
        terminal.run(
            "figures",
            "--out-dir",
            pictures.toString(),
            "--studies",
            folder.resolve("runs").toString(),
            "--only",
            only);
    assertThat(code).as(terminal.err()).isZero();
    return Files.readString(pictures.resolve("index.html"));
  }

  private FakeTerminal accelerate(String... more) {
    var terminal = FakeTerminal.piped();
    int _ =
        terminal.run(
            Stream.concat(
                    Stream.of(
                        "study",
                        "acceleration",
                        "--data",
                        folder.resolve("data").toString(),
                        "--out-dir",
                        folder.resolve("runs").toString()),
                    Stream.of(more))
                .toArray(String[]::new));
    return terminal;
  }

  private static String[] joined(String[] some, String... more) {
    return Stream.concat(Stream.of(some), Stream.of(more)).toArray(String[]::new);
  }

  @Test
  void aMixtureIsTimedWithFewerOfItsLayers() throws IOException {
    Path run = Files.createDirectory(folder.resolve("tuned"));
    String mod = MixtureFile.in(run);
    String[] few = {"--test-items", "2", "--answer-tokens", "3", "--batch", "1"};
    var terminal = accelerate(joined(few, "--run", run.toString(), "--json", "-"));
    JsonNode found = JsonMapper.shared().readTree(terminal.out());
    assertThat(found.path("method").asString()).isEqualTo("refine-acceleration");
    assertThat(found.path("arrays").toString())
        .contains("top-2, propagate, batch 1", "confidence, exact, batch 1");
    Path items = folder.resolve("runs/arc-e/acceleration/items.jsonl");
    String before = Files.readString(items);
    assertThat(before.lines()).hasSize(7);
    var again = accelerate(joined(few, "--mod", mod));
    assertThat(again.out()).contains("arc-e, one text at a time", "at most");
    assertThat(Files.readString(items)).isEqualTo(before);
    assertThat(accelerate("--run", "r", "--mod", "m").err()).contains("Say which mixture");
    assertThat(figures("table-5.3"))
        .contains("<h2>Table 5.3: ", "the dense mixture takes ")
        .doesNotContain("Not here yet");
  }

  @Test
  void eachLateLayerIsTunedAndAskedOnItsOwn() throws IOException {
    JsonNode found = study("layers");
    assertThat(found.toString())
        .contains("Explicit", "layer 6", "layer 7", "Jaccard")
        .doesNotContain("layer 8");
    assertThat(folder.resolve("runs/arc-e/explicit_layer6-seed1/test/items.jsonl")).exists();
    assertThat(figures("4.7,4.8"))
        .contains("<h2>Figure 4.7: ", "<h2>Figure 4.8: ", "arc-e: of 3 problems layer 6 solves ");
  }
}
