package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// `evaluate` through the real entry point, on the bundled model and a few items.
class EvaluateCommandTest {
  @TempDir private Path folder = Path.of("");
  private String data = "";

  @BeforeEach
  void writeItems() throws IOException {
    data = folder.resolve("data").toString();
    items("boolq", "true", "is the sky blue", "is ice hot", "is a cat an animal");
    items("gsm8k", "4.0", "What is 2 and 2?", "How many legs has a dog?");
  }

  private void items(String name, String answer, String... questions) throws IOException {
    Path file = Files.createDirectories(Path.of(data, name)).resolve("test.json");
    var array = JsonMapper.shared().createArrayNode();
    for (String question : questions) {
      array.addObject().put("instruction", question).put("output", "").put("answer", answer);
    }
    Files.writeString(file, array.toString());
  }

  private static FakeTerminal run(String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isZero();
    return terminal;
  }

  private FakeTerminal evaluate(String... args) {
    return run(with(args));
  }

  private String[] with(String... args) {
    return Stream.concat(Stream.of("evaluate", "--data", data), Stream.of(args))
        .toArray(String[]::new);
  }

  private static void isMisuse(String sentence, String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isEqualTo(Main.MISUSED);
    assertThat(terminal.err()).contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  @Test
  void aRunIsShownKeptAndGoesOn() throws IOException {
    String out = folder.resolve("run").toString();
    String page = folder.resolve("page.html").toString();
    assertThat(evaluate("--task", "boolq", "-n", "4", "--limit", "2", "--out", out).out())
        .contains("Right answers", "BoolQ", "greedy, template clean", "BoolQ: 2 of 3 items")
        .contains("the published test 3270");
    List<String> before = Files.readAllLines(Path.of(out, "items.jsonl"));
    assertThat(before).hasSize(2);
    evaluate("--task", "boolq,gsm8k", "-n", "4", "--out", out, "--html", page, "--batch", "3");
    assertThat(Files.readAllLines(Path.of(out, "items.jsonl"))).hasSize(5).containsAll(before);
    assertThat(Path.of(page)).content().contains("BoolQ, GSM8K");
    assertThat(Path.of(out, "report.html")).exists();
    JsonNode result = JsonMapper.shared().readTree(Files.readString(Path.of(out, "result.json")));
    assertThat(result.path("method").asString()).isEqualTo("evaluate");
    assertThat(result.path("arrays").toString()).contains("accuracy_low", "items");
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(with("--task", "boolq", "-n", "5", "--out", out)))
        .isEqualTo(Main.FAILED);
    assertThat(terminal.err()).contains("holds results with most tokens = 4, but this run has 5");
  }

  @Test
  void rankedOptionsAlwaysAnswer() {
    var text = evaluate("--task", "boolq", "--ranked", "--json", "-").out();
    JsonNode result = JsonMapper.shared().readTree(text);
    assertThat(result.path("method").asString()).isEqualTo("evaluate-ranked");
    assertThat(result.path("provenance").path("parameters").toString()).contains("ranked");
    isMisuse("GSM8K asks for numbers", with("--task", "gsm8k", "--ranked"));
    isMisuse("--ranked generates nothing", with("--task", "boolq", "--ranked", "--beams", "4"));
  }

  @Test
  void aMixtureAnswersAndIsNotTakenForTheModel() {
    String out = folder.resolve("run").toString();
    String mod = MixtureFile.in(folder);
    String[] asked = {"--task", "boolq", "-n", "2", "--out", out, "--mod", mod};
    evaluate(asked);
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(with("--task", "boolq", "-n", "2", "--out", out)))
        .isEqualTo(Main.FAILED);
    assertThat(terminal.err()).contains("holds results with model = ");
    String[] ranked = {"--task", "boolq", "--ranked", "--limit", "1", "--json", "-"};
    String plain = evaluate(ranked).out();
    String[] mixed =
        Stream.concat(Stream.of(ranked), Stream.of("--mod", mod)).toArray(String[]::new);
    JsonNode provenance = JsonMapper.shared().readTree(evaluate(mixed).out()).path("provenance");
    assertThat(provenance.path("model").asString()).isEqualTo("tidepool + mod");
    assertThat(plain).contains("\"tidepool\"");
    isMisuse("--routes goes with --mod", with("--task", "boolq", "--routes", "2"));
    isMisuse("mixes 3 layers", with("--task", "boolq", "--mod", mod, "--routes", "4"));
  }

  @Test
  void twoRunsAreCompared() {
    String one = folder.resolve("one").toString();
    String other = folder.resolve("other").toString();
    evaluate("--task", "boolq", "-n", "2", "--out", one, "--limit", "2", "--seed", "1");
    evaluate("--task", "boolq", "-n", "3", "--out", other);
    assertThat(run("evaluate", "--compare", one, other).out())
        .contains("Two runs, item by item", "only second", "most tokens")
        .contains("1 items are in one run only");
    isMisuse(
        "--compare reads two runs and asks no model: leave out --limit",
        "evaluate",
        "--compare",
        one,
        other,
        "--limit",
        "3");
  }

  @Test
  void whatMakesNoSenseIsRefusedBeforeAModelIsLoaded() {
    isMisuse("Say with --task what to measure", with());
    isMisuse("say with --data DIR", "evaluate", "--task", "boolq");
    isMisuse("There is no task bool", with("--task", "bool"));
    isMisuse("--seed draws items", with("--task", "boolq", "--seed", "1"));
    isMisuse("--limit should be at least 1", with("--task", "boolq", "--limit", "0"));
    isMisuse("--template x: choose from clean", with("--task", "boolq", "--template", "x"));
    isMisuse("beams should be at least 1", with("--task", "boolq", "--beams", "0"));
    isMisuse("a batch needs at least one item", with("--task", "boolq", "--batch", "0"));
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(with("--task", "arc-e"))).isEqualTo(Main.FAILED);
    assertThat(terminal.err()).contains("should hold ARC-Easy/test.json for ARC-e");
  }
}
