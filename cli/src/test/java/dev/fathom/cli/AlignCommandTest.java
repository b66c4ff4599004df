package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.align.study.Roster;
import dev.fathom.edit.EditFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;

/// `align` through the real entry point, on the bundled model.
class AlignCommandTest {
  private static final List<String> TERMS = List.of("nurse", "baker", "pilot", "miner");

  @TempDir private Path folder = Path.of("");
  private String data = "";
  private String words = "";
  private String text = "";

  @BeforeEach
  void writeFiles() throws IOException {
    data = write("items.json", items(TERMS, "gender"));
    words =
        write(
            "words.json",
            """
            {"gender": [["he", "she"], ["man", "woman"]],
             "race": [["black", "white"]]}
            """);
    text = write("text.txt", "The river runs by the town.\n\nThe town has a mill.\n".repeat(20));
  }

  private static String items(List<String> terms, String domain) {
    var root = JsonMapper.shared().createObjectNode();
    var items = root.putObject("data").putArray("intrasentence");
    for (int i = 0; i < 12; i++) {
      String term = terms.get(i % terms.size());
      String context = "The %s said that BLANK is number %d.".formatted(term, i);
      var item =
          items
              .addObject()
              .put("id", domain + i)
              .put("bias_type", domain)
              .put("target", term)
              .put("context", context);
      var sentences = item.putArray("sentences");
      List<String> labels = List.of("stereotype", "anti-stereotype", "unrelated");
      List<String> said = i % 2 == 0 ? List.of("she", "he", "mill") : List.of("he", "she", "river");
      for (int s = 0; s < 3; s++) {
        sentences
            .addObject()
            .put("id", domain + labels.get(s) + i)
            .put("gold_label", labels.get(s))
            .put("sentence", context.replace("BLANK", said.get(s)));
      }
    }
    return root.toString();
  }

  private String write(String name, String content) throws IOException {
    return Files.writeString(folder.resolve(name), content).toString();
  }

  private String path(String name) {
    return folder.resolve(name).toString();
  }

  private FakeTerminal ran(int code, String... args) {
    var all = new ArrayList<>(List.of("align"));
    all.addAll(Arrays.asList(args));
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(all.toArray(String[]::new))).as(terminal.err()).isEqualTo(code);
    return terminal;
  }

  private String fitted(String... more) {
    var args =
        new ArrayList<>(
            List.of("--data", data, "--words", words, "--text", text, "--domain", "gender"));
    args.addAll(List.of("--save", path("edit.safetensors"), "--threads", "1"));
    args.addAll(Arrays.asList(more));
    return ran(Main.DONE, args.toArray(String[]::new)).out();
  }

  private void refused(int code, String sentence, String... args) {
    var terminal = ran(code, args);
    assertThat(terminal.err()).contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  @Test
  void aMethodIsFittedAndItsEditUsed() {
    String out = fitted("--method", "pairs", "--setting", "2", "--seed", "5");
    assertThat(out)
        .contains("rank 2 of", "pairs: domain gender, rank 2, from 0.0, outputs both")
        .contains("pairs 24, neutral tokens", path("edit.safetensors"));
    var edit = EditFile.read(folder.resolve("edit.safetensors"));
    assertThat(edit.card().seed()).hasValue(5);
    assertThat(edit.card().data()).isEqualTo("12 items about 4 terms");
    var terminal = FakeTerminal.piped();
    int code = terminal.run("lens", "--edit", path("edit.safetensors"), "The miner said");
    assertThat(code).as(terminal.err()).isZero();
    var json = JsonMapper.shared().readTree(fitted("--method", "lastProbe", "--json", "-"));
    assertThat(json.path("format").asString()).isEqualTo("fathom.align/1");
    assertThat(json.path("method").asString()).isEqualTo("lastProbe");
    assertThat(json.path("parameters").path("probes").asString()).isEqualTo("last");
    assertThat(json.path("changes").size()).isBetween(8, 16);
    assertThat(fitted("--method", "lastProbe", "-q")).isEmpty();
  }

  @Test
  void methodsAreComparedAndTheRunIsResumed() throws IOException {
    List<String> args =
        List.of(
            "table",
            "--data",
            data,
            "--words",
            words,
            "--text",
            text,
            "--tokens",
            "100",
            "--methods",
            "editOnly",
            "--threads",
            "1",
            "--out-dir",
            path("runs"));
    String out = ran(Main.DONE, args.toArray(String[]::new)).out();
    assertThat(out)
        .contains("gender: 12 items, 4 terms", "editOnly", "Side effects")
        .contains("Random directions are not among the methods")
        .doesNotContain("race");
    assertThat(out.lines()).allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
    assertThat(folder.resolve("runs/seed1/gender2/editOnly/edit.safetensors")).exists();
    Path kept = folder.resolve("runs/seed1/gender1/editOnly/outcome.json");
    String before = Files.readString(kept);
    var again = new ArrayList<>(args);
    again.addAll(List.of("--json", "-", "--html", path("page.html")));
    again.addAll(List.of("--out", path("a.safetensors")));
    var json = JsonMapper.shared().readTree(ran(Main.DONE, again.toArray(String[]::new)).out());
    assertThat(json.path("method").asString()).isEqualTo("align-table");
    assertThat(json.path("provenance").path("parameters").toString()).contains("text.txt");
    assertThat(folder.resolve("page.html")).content().contains("Chosen settings");
    assertThat(folder.resolve("a.safetensors")).exists();
    assertThat(Files.readString(kept)).isEqualTo(before);
    var other = new ArrayList<>(args);
    other.set(other.indexOf("100"), "50");
    refused(Main.FAILED, "other settings", other.toArray(String[]::new));
  }

  @Test
  void moreItemsAreFittedOnButNotThoseAboutTestedTerms() throws IOException {
    String more = write("more.json", items(List.of("Nurse", "tailor", "weaver"), "gender"));
    // ids of both files are the same: what counts is the term
    fitted("--method", "lastProbe", "--more", more);
    assertThat(EditFile.read(folder.resolve("edit.safetensors")).card().data())
        .isEqualTo("20 items about 6 terms");
  }

  @Test
  void whatCannotBeFittedIsRefusedBeforeTheModelIsOpened() throws IOException {
    refused(Main.MISUSED, "fathom align table");
    refused(Main.MISUSED, "--domain", "--data", data, "--words", words);
    String[] all = {
      "-m", "nowhere", "--domain", "gender", "--method", "lope", "--save", path("e.safetensors")
    };
    refused(Main.MISUSED, "not bundled", all);
    refused(Main.MISUSED, "no method 'lop'", with(all, "--method", "lop"));
    refused(Main.MISUSED, "settings 1 to 8", with(all, "--setting", "9"));
    refused(
        Main.MISUSED, "has one setting", with(with(all, "--method", "thesis"), "--setting", "2"));
    String[] files = with(with(with(all, "--data", data), "--words", words), "--text", text);
    refused(Main.MISUSED, "no domain age", with(files, "--domain", "age"));
    String ages = write("ages.json", items(TERMS, "age"));
    refused(
        Main.MISUSED,
        "no words of domain age, only of gender, race",
        with(with(files, "--domain", "age"), "--data", ages));
    refused(
        Main.MISUSED,
        "no domain is in both",
        "table",
        "-m",
        "nowhere",
        "--data",
        ages,
        "--words",
        words,
        "--text",
        text,
        "--out-dir",
        path("runs"));
    refused(
        Main.MISUSED,
        "too few for 5 folds",
        "table",
        "-m",
        "nowhere",
        "--data",
        data,
        "--words",
        words,
        "--text",
        text,
        "--folds",
        "5",
        "--out-dir",
        path("runs"));
    refused(Main.FAILED, "list of sets of words", with(files, "--words", data));
    refused(Main.FAILED, "data.intrasentence", with(files, "--data", words));
    String line = write("line.txt", "one line");
    refused(Main.FAILED, "at least two lines", with(files, "--text", line));
    refused(Main.FAILED, "no such file", with(files, "--text", path("none.txt")));
  }

  @Test
  void whatCannotBeWrittenIsRefusedBeforeTheModelIsOpened() {
    String nowhere = path("no/such/file");
    String[] one = {
      "-m", "nowhere", "--domain", "gender", "--method", "lope", "--save", path("e.safetensors")
    };
    refused(Main.FAILED, "its folder does not exist", with(one, "--save", nowhere));
    refused(Main.FAILED, "its folder does not exist", with(one, "--json", nowhere));
    refused(Main.FAILED, "is a file, not a folder", with(one, "--cache", data));
    String[] table = {"table", "-m", "nowhere", "--out-dir", path("runs")};
    refused(Main.FAILED, "its folder does not exist", with(table, "--html", nowhere));
    refused(Main.FAILED, "is a file, not a folder", with(table, "--out-dir", data));
    String[] neurons = {"neurons", "-m", "nowhere", "--data", data};
    refused(Main.FAILED, "its folder does not exist", with(neurons, "--out", nowhere));
    refused(Main.FAILED, "is a file, not a folder", with(neurons, "--cache", data));
    String[] texts = {"generations", "-m", "nowhere", "--beside", "tidepool-fair"};
    refused(Main.FAILED, "its folder does not exist", with(texts, "--html", nowhere));
  }

  /// The arguments with an option of another value, or one more.
  private static String[] with(String[] args, String option, String value) {
    var all = new ArrayList<>(Arrays.asList(args));
    int at = all.indexOf(option);
    if (at < 0) {
      all.addAll(List.of(option, value));
    } else {
      all.set(at + 1, value);
    }
    return all.toArray(String[]::new);
  }

  @Test
  void neuronsAlongProbesAreShown() throws IOException {
    String[] args = {
      "neurons", "--data", data, "--neurons", "3", "--most", "6", "--threads", "1",
    };
    String[] more =
        with(with(with(args, "--text", text), "--html", path("n.html")), "--out", path("n.st"));
    String out = ran(Main.DONE, more).out();
    assertThat(out)
        .contains("8 probes, 3 neurons each", "Neurons along each probe", "How often they fire")
        .contains("stereotype (6 texts)", "neutral (6 texts)", "promotes");
    assertThat(out.lines()).allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
    assertThat(folder.resolve("n.html")).content().contains("items.json", "Neurons along probes");
    assertThat(folder.resolve("n.st")).exists();
    var json =
        JsonMapper.shared()
            .readTree(ran(Main.DONE, with(with(args, "--labels", "anti"), "--json", "-")).out());
    assertThat(json.path("method").asString()).isEqualTo("bias-neurons");
    assertThat(json.path("provenance").path("parameters").path("k").asString()).isEqualTo("3");
    refused(Main.MISUSED, "age", with(with(args, "--domains", "age"), "-m", "nowhere"));
    refused(Main.FAILED, "no such file", "neurons", "--data", path("none.json"));
    refused(Main.FAILED, "no text in it", with(args, "--text", write("blank.txt", "\n")));
  }

  @Test
  void figuresAboutBiasAreDrawnFromItems() throws IOException {
    var terminal = FakeTerminal.piped();
    int code =
        terminal.run(
            "figures",
            "--out-dir",
            path("figures"),
            "--bias-data",
            data,
            "--only",
            "4.10,5.6,table-5.4",
            "--threads",
            "1");
    assertThat(code).as(terminal.err()).isZero();
    assertThat(terminal.err())
        .contains("figure 4.10: The ten neurons along each probe", "figure 5.6: ")
        .contains("table 5.4 is missing: fathom align table");
    assertThat(folder.resolve("figures/index.html")).content().contains("Figure 4.10", "Table 5.4");
    assertThat(folder.resolve("figures/figure-4.10.svg")).content().contains("probe");
  }

  @Test
  void textsBeforeAndAfterAnEditStandSideBySide() throws IOException {
    fitted("--method", "pairs");
    String edit = path("edit.safetensors");
    String[] args = {"generations", "--edit", edit, "--threads", "1"};
    String out = ran(Main.DONE, args).out();
    assertThat(out)
        .contains("What gender (men or women) are nurses? They are", "base: ", "edited: ")
        .contains("distinct-2");
    String prompts = write("prompts.txt", "The miner said\n\nThe baker\n");
    String[] other = with(with(args, "--prompts", prompts), "--beside", "tidepool-fair");
    String[] page = with(with(with(other, "-n", "5"), "--html", path("g.html")), "--json", "-");
    var json = JsonMapper.shared().readTree(ran(Main.DONE, page).out());
    assertThat(json.path("method").asString()).isEqualTo("generations");
    assertThat(json.path("views").toString()).contains("The baker", "beside: ");
    assertThat(json.path("arrays").path("prompt_kl").path("values")).hasSize(3);
    assertThat(folder.resolve("g.html")).content().contains("The miner said");
    refused(Main.MISUSED, "give --edit, or a further model", "generations");
    var chat = new ArrayList<>(Arrays.asList(args));
    chat.add("--chat");
    refused(Main.MISUSED, "say with --beside", chat.toArray(String[]::new));
    refused(Main.MISUSED, "--max-tokens 0", with(args, "-n", "0"));
    refused(Main.FAILED, "no prompts", with(args, "--prompts", write("empty.txt", "\n")));
  }

  /// Rows and biases, low-rank steps and biases, a step of the head.
  @ParameterizedTest
  @ValueSource(strings = {"lastProbe", "pairs", "sentence-debias"})
  void anEditIsComparedAndMerged(String method) {
    fitted("--method", method);
    String edit = path("edit.safetensors");
    String prompt = "The miner said that";
    assertThat(text("compare", "--edit", edit, prompt, "--sections", "prediction"))
        .contains("B: tidepool + edit", "Next token", "B − A");
    text("merge", "--edit", edit, "--to", "F32", "--out", path("merged"));
    String edited = text("generate", "--edit", edit, prompt, "-n", "8");
    assertThat(text("generate", "-m", path("merged"), prompt, "-n", "8")).isEqualTo(edited);
  }

  private static String text(String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isZero();
    return terminal.out();
  }

  @Test
  void whatIsDoneAtRunTimeIsRefusedByName() {
    refused(
        Main.MISUSED,
        "self-debias is done while the model computes, so there is no edit to save",
        "--data",
        data,
        "--words",
        words,
        "--text",
        text,
        "--domain",
        "gender",
        "--save",
        path("edit.safetensors"),
        "--method",
        "self-debias",
        "--threads",
        "1");
    assertThat(folder.resolve("edit.safetensors")).doesNotExist();
  }

  @Test
  void helpNamesEveryMethodInEightyColumns() {
    String[][] verbs = {
      {"--help"}, {"table", "--help"}, {"neurons", "--help"}, {"generations", "--help"},
    };
    for (String[] verb : verbs) {
      String help = ran(Main.DONE, verb).out();
      assertThat(help.lines()).allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80));
      assertThat(help).contains("Examples:");
    }
    assertThat(ran(Main.DONE, "--help").out()).contains(Roster.all().keySet());
  }
}
