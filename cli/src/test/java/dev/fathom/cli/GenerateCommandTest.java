package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

class GenerateCommandTest {
  private static String smolLm2() {
    String directory = System.getenv("FATHOM_TEST_MODELS");
    Path file = Path.of(directory == null ? "" : directory, "SmolLM2-135M-Instruct.Q4_1.gguf");
    assumeTrue(
        Files.exists(file), "needs " + file + " in the directory that FATHOM_TEST_MODELS names");
    return file.toString();
  }

  private static void isMisuse(String sentence, String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).isEqualTo(Main.MISUSED);
    assertThat(terminal.err()).contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  @Test
  void contradictoryOptionsAreRefusedBeforeTheModelIsOpened() {
    isMisuse(
        "beam search draws nothing",
        "generate",
        "-m",
        "nowhere",
        "x",
        "--beams",
        "2",
        "--temperature",
        "1");
    isMisuse("top-p should be above 0", "generate", "-m", "nowhere", "x", "--top-p", "0");
    isMisuse("at least 1, found 0", "chat", "-m", "nowhere", "--max-tokens", "0");
    isMisuse("--routes goes with --mod", "chat", "-m", "nowhere", "--routes", "2");
    isMisuse("No prompt given", "generate", "-m", "nowhere");
  }

  @Test
  void bothAreListedAmongTheVerbsThatRunAModel() {
    var terminal = FakeTerminal.piped();
    terminal.run("--help");
    assertThat(terminal.out()).containsSubsequence("Run a model", "generate", "chat");
  }

  @Tag("weights")
  @Test
  void aTextIsContinuedAndItsSpeedTold() {
    var terminal = FakeTerminal.piped();
    int code = terminal.run("generate", "-m", smolLm2(), "The capital of France is", "-n", "3");
    assertThat(terminal.out()).startsWith(" Paris");
    assertThat(terminal.err()).containsPattern("3 tokens in [0-9.]+ s, [0-9.]+ tokens/s");
    assertThat(code).isEqualTo(Main.DONE);
  }

  @Tag("weights")
  @Test
  void aFileOfPromptsBecomesJson(@TempDir Path directory) throws IOException {
    Path prompts = directory.resolve("p.jsonl");
    Files.writeString(
        prompts,
        """
        {"id": "it", "prompt": "The capital of Italy is"}

        {"prompt": "The capital of France is the city of"}
        """);
    var terminal = FakeTerminal.piped();
    terminal.run(
        "generate",
        "-m",
        smolLm2(),
        "--prompts",
        prompts.toString(),
        "-n",
        "4",
        "--stop",
        ".",
        "--json",
        "-");
    var texts = JsonMapper.shared().readTree(terminal.out()).path("texts");
    assertThat(texts.path(0).path("id").asString()).isEqualTo("it");
    assertThat(texts.path(0).path("text").asString()).startsWith(" Rome");
    assertThat(texts.path(1).path("id").asString()).isEqualTo("3");
    assertThat(texts.path(1).path("text").asString()).isEqualTo(" Paris");
    assertThat(texts.path(1).path("stop").asString()).isEqualTo("stop_text");
  }

  @Tag("weights")
  @Test
  void aMixtureHoldsAConversation(@TempDir Path directory) {
    String mod = MixtureFile.in(directory, smolLm2());
    String[] model = {"-m", smolLm2(), "--mod", mod, "--routes", "1", "-n", "6"};
    var said = FakeTerminal.pipedWith(Map.of(), "What is the capital of France?\n");
    assertThat(said.run(joined("chat", model))).as(said.err()).isEqualTo(Main.DONE);
    var once = FakeTerminal.piped();
    once.run(joined("generate", model, "--chat", "What is the capital of France?"));
    assertThat(said.out()).isEqualTo(once.out()).isNotBlank();
  }

  private static String[] joined(String verb, String[] args, String... more) {
    return Stream.of(Stream.of(verb), Stream.of(args), Stream.of(more))
        .flatMap(part -> part)
        .toArray(String[]::new);
  }

  @Tag("weights")
  @Test
  void aConversationRemembersUntilItIsReset() {
    var question = "What is the capital of France? Answer in one word.";
    Stream<String> lines = Stream.of(question, "/nothing", "/reset", question, "/exit", question);
    var terminal = FakeTerminal.pipedWith(Map.of(), String.join("\n", lines.toList()) + "\n");
    int code = terminal.run("chat", "-m", smolLm2(), "-n", "12");
    assertThat(terminal.err()).contains("There is no command /nothing");
    List<String> answers = terminal.out().lines().toList();
    assertThat(answers).hasSize(2);
    assertThat(answers.getFirst()).contains("Paris").isEqualTo(answers.getLast());
    assertThat(code).isEqualTo(Main.DONE);
  }
}
