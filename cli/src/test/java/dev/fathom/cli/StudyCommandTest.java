package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
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
  }

  @Test
  void eachLateLayerIsTunedAndAskedOnItsOwn() {
    JsonNode found = study("layers");
    assertThat(found.toString())
        .contains("Explicit", "layer 6", "layer 7", "Jaccard")
        .doesNotContain("layer 8");
    assertThat(folder.resolve("runs/arc-e/explicit_layer6-seed1/test/items.jsonl")).exists();
  }
}
