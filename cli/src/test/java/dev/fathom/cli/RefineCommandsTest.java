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

/// Refinement through the real entry point: from a file of instructions to a model that is used.
class RefineCommandsTest {
  @TempDir private Path folder;
  private String data = "";

  private String file(String name) {
    return folder.resolve(name).toString();
  }

  private static FakeTerminal run(String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isZero();
    return terminal;
  }

  private static void refused(int code, String sentence, String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isEqualTo(code);
    assertThat(terminal.err()).contains("fathom refine", sentence);
    assertThat(terminal.out()).isEmpty();
  }

  private static String item(int number) {
    return "{\"instruction\": \"The capital of country %d\", \"output\": \"is Paris\"}"
        .formatted(number);
  }

  @BeforeEach
  void makeData() throws IOException {
    data = file("data/set/train.jsonl");
    Files.createDirectories(Path.of(data).getParent());
    Files.writeString(
        Path.of(data),
        IntStream.range(0, 12)
            .mapToObj(RefineCommandsTest::item)
            .collect(Collectors.joining("\n")));
  }

  private String[] refine(String... more) {
    var fixed =
        new String[] {
          "refine",
          "--data",
          data,
          "--held-out",
          "2",
          "--epochs",
          "1",
          "--batch",
          "5",
          "--lora-rank",
          "2",
          "--out-dir",
          file("run")
        };
    var all = java.util.Arrays.copyOf(fixed, fixed.length + more.length);
    System.arraycopy(more, 0, all, fixed.length, more.length);
    return all;
  }

  @Test
  void whatIsLearntIsAnEditAndAMixtureThatTheOtherVerbsUse() throws IOException {
    var made = run(refine("--method", "lora+mod", "--html", file("run.html")));
    assertThat(made.out()).contains("Loss while learning", "Routing", "What was learnt");
    assertThat(made.err()).contains("lora.safetensors", "mod.safetensors");
    assertThat(Files.readString(folder.resolve("run.html"))).contains("Loss of each late layer");
    String lora = file("run/lora.safetensors");
    assertThat(run("inspect", lora).out()).contains("lora", "rank 2 of model.layers.0");
    assertThat(
            run(
                    "generate",
                    "--edit",
                    lora,
                    "--mod",
                    file("run/mod.safetensors"),
                    "-n",
                    "3",
                    "The capital of Italy is")
                .out())
        .isNotEmpty();
    var again = run(refine("--method", "lora+mod")); // nothing is left to do
    assertThat(again.out()).contains("What was learnt");
  }

  @Test
  void optionsThatWouldBeIgnoredAreRefused() {
    refused(2, "has no mixture: leave --top-k", refine("--top-k", "2"));
    refused(2, "leave --lora-", refine("--method", "mod"));
    refused(2, "--method is lora, mod or lora+mod, not dora", refine("--method", "dora"));
    refused(2, "--late is at least 1", refine("--late", "99"));
    refused(2, "a range such as 0-26, not upper", refine("--lora-layers", "upper"));
    refused(2, "--rendezvous and --rank belong together", refine("--rank", "1"));
  }

  @Test
  void anUnreadableLineIsNamed() throws IOException {
    Files.writeString(Path.of(data), item(1) + "\n{\"instruction\": 7\n" + item(2));
    refused(1, "train.jsonl, line 2", refine());
    assertThat(folder.resolve("run")).doesNotExist();
  }

  @Test
  void itemsOfATestSetAreRefusedUnlessTheUserSaysOtherwise() throws IOException {
    Path tests = folder.resolve("data/ARC-Easy");
    Files.createDirectories(tests);
    Files.writeString(
        tests.resolve("test.json"),
        "[{\"instruction\": \"the capital, of Country 3!\", \"input\": \"\", \"output\": \"\","
            + " \"answer\": \"answer1\"}]");
    refused(1, "1 of the 1 items of ARC-e are among the data", refine());
    assertThat(run(refine("--leaks", "drop")).err()).contains("they are left out");
  }

  @Test
  void aRunIsNotContinuedWithOtherSettings() {
    run(refine());
    refused(1, "holds a run with learning_rate = 3.0E-4", refine("--rate", "1e-3"));
  }

  @Test
  void aLossThatIsNoNumberEndsCleanly() {
    refused(1, "so training stopped", refine("--rate", "1e30"));
    assertThat(folder.resolve("run/lora.safetensors")).doesNotExist();
  }

  @Test
  void nothingLeftToLearnFromIsSaid() {
    refused(2, "12 items", refine("--max-tokens", "8"));
  }
}
