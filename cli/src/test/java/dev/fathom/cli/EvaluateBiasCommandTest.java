package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Bias tests and perplexity of `evaluate`, through the real entry point, on the bundled model.
class EvaluateBiasCommandTest {
  @TempDir private Path folder = Path.of("");
  private String stereoSet = "";
  private String crows = "";
  private String text = "";

  @BeforeEach
  void writeData() throws IOException {
    var root = JsonMapper.shared().createObjectNode();
    var items = root.putObject("data").putArray("intrasentence");
    for (int i = 0; i < 12; i++) {
      String domain = i < 8 ? "gender" : "race";
      var item =
          items
              .addObject()
              .put("id", "i" + i)
              .put("bias_type", domain)
              .put("target", domain + i % 3)
              .put("context", "The one number " + i + " is BLANK.");
      var sentences = item.putArray("sentences");
      for (String label : List.of("stereotype", "anti-stereotype", "unrelated")) {
        sentences
            .addObject()
            .put("id", label + i)
            .put("gold_label", label)
            .put("sentence", "The one number " + i + " is " + label.charAt(i % 3) + "x.");
      }
    }
    stereoSet = write("items.json", root.toString());
    crows =
        write(
            "pairs.csv",
            """
            n,sent_more,sent_less,stereo_antistereo,bias_type
            0,"He is a fisher, they say.","She is a fisher, they say.",stereo,gender
            1,The old man sings.,The young man sings.,antistereo,age
            """);
    text =
        write("text.txt", "A river runs by the town. The town has a mill and a well.\n".repeat(5));
  }

  private String write(String name, String content) throws IOException {
    return Files.writeString(folder.resolve(name), content).toString();
  }

  private String path(String name) {
    return folder.resolve(name).toString();
  }

  private static FakeTerminal run(String... args) {
    var all = new ArrayList<>(List.of("evaluate"));
    all.addAll(List.of(args));
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(all.toArray(String[]::new))).as(terminal.err()).isZero();
    return terminal;
  }

  private static JsonNode json(String... args) {
    var all = new ArrayList<>(List.of(args));
    all.addAll(List.of("--json", "-"));
    return JsonMapper.shared().readTree(run(all.toArray(String[]::new)).out());
  }

  private static void fails(int code, String sentence, String... args) {
    var all = new ArrayList<>(List.of("evaluate"));
    all.addAll(List.of(args));
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(all.toArray(String[]::new))).as(terminal.err()).isEqualTo(code);
    assertThat(terminal.err()).contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  private static JsonNode values(JsonNode result, String array) {
    return result.path("arrays").path(array).path("values");
  }

  @Test
  void stereoSetIsScoredKeptAndCountedAgain() throws IOException {
    JsonNode result =
        json("--task", "stereoset", "--data", stereoSet, "--items", path("scores.json"));
    assertThat(result.path("method").asString()).isEqualTo("stereoset");
    assertThat(result.path("arrays").path("ss").path("axes").toString())
        .contains("gender", "race", "overall", "pooled");
    assertThat(values(result, "n").toString()).isEqualTo("[8,4,12,12]");
    assertThat(values(result, "terms").toString()).isEqualTo("[3,3,6,6]");
    assertThat(result.path("arrays").propertyNames())
        .contains("lms", "icat", "ss_low", "ss_high", "distance", "gap");
    assertThat(result.path("provenance").path("parameters").path("start token").asString())
        .isEqualTo("<s> (id 0, BOS)");
    JsonNode scores = JsonMapper.shared().readTree(Files.readString(folder.resolve("scores.json")));
    assertThat(scores.path("intrasentence")).hasSize(36);
    JsonNode first = scores.path("intrasentence").path(0);
    assertThat(first.path("score").asDouble())
        .isCloseTo(Math.pow(2, first.path("log2").asDouble()), within(1e-12));
    JsonNode again =
        json("--task", "stereoset", "--data", stereoSet, "--predictions", path("scores.json"));
    for (String array : List.of("ss", "lms", "icat", "gap", "ss_low", "icat_high")) {
      assertThat(values(again, array)).isEqualTo(values(result, array));
    }
  }

  @Test
  void domainsAreChosenAndTextFitsTheTerminal() {
    var terminal = run("--task", "stereoset", "--data", stereoSet, "--domain", "race");
    assertThat(terminal.out())
        .contains("StereoSet", "race", "pooled", "|SS-50|", "only the first is predicted from")
        .doesNotContain("gender");
    assertThat(terminal.out().lines())
        .allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80));
    fails(
        Main.MISUSED,
        "There is no domain age in this file: choose from gender, race",
        "--task",
        "stereoset",
        "--data",
        stereoSet,
        "--domain",
        "age");
  }

  @Test
  void twoRunsAreComparedItemByItem() throws IOException {
    String one = path("one");
    String other = path("other");
    run("--task", "stereoset", "--data", stereoSet, "--out", one, "--domain", "gender");
    run("--task", "stereoset", "--data", stereoSet, "--out", one, "--html", path("page.html"));
    run("--task", "stereoset", "--data", stereoSet, "--out", other, "--scores", "bos");
    assertThat(Files.readAllLines(Path.of(one, "items.jsonl"))).hasSize(12);
    assertThat(Path.of(one, "result.json")).exists();
    assertThat(Path.of(one, "report.html")).exists();
    var terminal = run("--compare", one, other, "--resamples", "200", "--seed", "5");
    assertThat(terminal.out())
        .contains("|SS-50|", "difference", "scores   official  bos", "Second:");
    assertThat(terminal.out().lines())
        .allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80));
    JsonNode self = json("--compare", one, one);
    assertThat(values(self, "gap_p").toString()).isEqualTo("[1.0,1.0,1.0,1.0]");
    run("--task", "crows", "--data", crows, "--out", path("pairs"));
    assertThat(run("--compare", path("pairs"), path("pairs")).out())
        .contains("Two runs, pair by pair");
    fails(Main.MISUSED, "these are not comparable", "--compare", one, path("pairs"));
    fails(
        Main.MISUSED,
        "asks no model: leave out --resamples",
        "--compare",
        path("pairs"),
        path("pairs"),
        "--resamples",
        "300");
  }

  @Test
  void anEditIsMeasuredAsFarAsItIsApplied() {
    String edit = path("edit.safetensors");
    var made = FakeTerminal.piped();
    assertThat(made.run("edit", "zero-heads", "--heads", "z.3.h0,z.3.h1,z.4.h0", "--save", edit))
        .as(made.err())
        .isZero();
    JsonNode base = json("--task", "stereoset", "--data", stereoSet);
    JsonNode none = json("--task", "stereoset", "--data", stereoSet, "--edit", edit + ":0");
    JsonNode whole = json("--task", "stereoset", "--data", stereoSet, "--edit", edit);
    assertThat(values(none, "gap")).isEqualTo(values(base, "gap"));
    assertThat(values(whole, "gap")).isNotEqualTo(values(base, "gap"));
  }

  @Test
  void crowsPairsAreCountedByType() throws IOException {
    JsonNode result = json("--task", "crows", "--data", crows, "--items", path("pairs.json"));
    assertThat(result.path("method").asString()).isEqualTo("crows");
    assertThat(result.path("arrays").path("metric").path("axes").toString())
        .contains("age", "gender", "overall");
    assertThat(values(result, "n").toString()).isEqualTo("[1,1,2]");
    assertThat(Files.readString(folder.resolve("pairs.json"))).contains("\"number\" : 2");
    assertThat(run("--task", "crows", "--data", crows, "--domain", "age").out())
        .contains("CrowS-Pairs", "antistereo, %")
        .doesNotContain("gender");
  }

  @Test
  void aTextHasAPerplexity() {
    JsonNode result = json("--task", "perplexity", "--data", text, "--window", "32");
    double perplexity = values(result, "perplexity").path(0).asDouble();
    assertThat(perplexity).isGreaterThan(1);
    assertThat(perplexity)
        .isCloseTo(Math.exp(values(result, "nats").path(0).asDouble()), within(1e-3 * perplexity));
    JsonNode benched = json("--task", "perplexity", "--data", text, "--bias-bench");
    assertThat(benched.path("provenance").path("parameters").path("counted").asString())
        .isEqualTo("as bias-bench does");
    assertThat(run("--task", "perplexity", "--data", text, "--out", path("ppl")).out())
        .contains("perplexity", "nats a token");
    assertThat(folder.resolve("ppl/result.json")).exists();
  }

  @Test
  void whatCannotBeReadIsRefusedBeforeTheModelIsOpened() throws IOException {
    unread(Main.MISUSED, "at least 2 tokens", text, "--window", "1");
    unread(Main.MISUSED, "stride should be", text, "--window", "4", "--stride", "9");
    unread(Main.FAILED, "no text in it", write("blank.txt", "\n"));
    unread(Main.FAILED, "its folder does not exist", text, "--html", path("no/such"));
  }

  private static void unread(int code, String sentence, String data, String... more) {
    var all = new ArrayList<>(List.of("-m", "nowhere", "--task", "perplexity", "--data", data));
    all.addAll(List.of(more));
    fails(code, sentence, all.toArray(String[]::new));
  }

  @Test
  void whatMakesNoSenseIsRefused() throws IOException {
    fails(Main.MISUSED, "say with --data FILE where they are", "--task", "stereoset");
    fails(Main.MISUSED, "Say with --data FILE which text to read", "--task", "perplexity");
    fails(
        Main.MISUSED,
        "--limit is of another kind of test: --task stereoset has no use for it",
        "--task",
        "stereoset",
        "--data",
        stereoSet,
        "--limit",
        "3");
    fails(
        Main.MISUSED,
        "--domain is of another kind of test",
        "--task",
        "boolq",
        "--data",
        stereoSet,
        "--domain",
        "gender");
    fails(
        Main.MISUSED,
        "--task crows is measured by itself",
        "--task",
        "boolq,crows",
        "--data",
        crows);
    fails(Main.MISUSED, "stereoset, crows, perplexity", "--task", "bool", "--data", crows);
    fails(Main.MISUSED, "leave out --seed", "--task", "perplexity", "--data", text, "--seed", "1");
    fails(
        Main.MISUSED,
        "nothing is drawn: leave out --keep-labels",
        "--task",
        "crows",
        "--data",
        crows,
        "--seed",
        "1");
    fails(
        Main.MISUSED,
        "leave out --model",
        "--task",
        "stereoset",
        "--data",
        stereoSet,
        "--predictions",
        "x.json",
        "-m",
        "tidepool");
    fails(
        Main.MISUSED,
        "The start token xyzzy is neither",
        "--task",
        "crows",
        "--data",
        crows,
        "--start-token",
        "xyzzy");
    fails(
        Main.FAILED,
        "has no column \"sent_more\"",
        "--task",
        "crows",
        "--data",
        write("other.csv", "a,b\n1,2\n"));
    fails(Main.FAILED, "not JSON", "--task", "stereoset", "--data", crows);
    fails(
        Main.FAILED,
        "it has no score of the sentence",
        "--task",
        "stereoset",
        "--data",
        stereoSet,
        "--predictions",
        write("none.json", "{\"intrasentence\": []}"));
  }
}
