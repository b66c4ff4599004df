package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

/// `concepts` through the real entry point, on the bundled model.
class ConceptsCommandTest {
  private static final List<String> CITIES =
      List.of("Rome", "Lima", "Paris", "Cairo", "Oslo", "Madrid");
  private static final List<String> WORKERS =
      List.of("miners", "nurses", "pilots", "sailors", "carpenters", "teachers");

  @TempDir private Path folder = Path.of("");
  private Path data = Path.of("");
  private Path dictionary = Path.of("");

  @BeforeEach
  void writeConcepts() throws IOException {
    var lines = new ArrayList<String>();
    for (String kind : List.of("is located in", "is the capital of")) {
      lines.add(line("city that " + kind, "place", CITIES, "The city of %s " + kind));
    }
    for (String kind : List.of("Most %s are", "In our town, %s are mostly")) {
      lines.add(line(kind.formatted("people"), "work", WORKERS, kind));
    }
    data = Files.write(folder.resolve("concepts.jsonl"), lines);
    dictionary = folder.resolve("dictionary");
  }

  private static String line(String name, String group, List<String> of, String text) {
    return "{\"concept\": \"%s\", \"group\": \"%s\", \"stimuli\": [%s]}"
        .formatted(
            name,
            group,
            String.join(", ", of.stream().map(word -> '"' + text.formatted(word) + '"').toList()));
  }

  private static FakeTerminal run(String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isZero();
    return terminal;
  }

  private static void fails(int status, String sentence, String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isEqualTo(status);
    assertThat(terminal.err()).contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  private FakeTerminal build(String... more) {
    var args = new ArrayList<String>();
    args.addAll(List.of("concepts", "build", "--data", data.toString()));
    args.addAll(List.of("--out-dir", dictionary.toString(), "--template", "{stimulus}"));
    args.addAll(List.of(more));
    return run(args.toArray(String[]::new));
  }

  private static void fits(String out) {
    assertThat(out.lines()).allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
  }

  @Test
  void aDictionaryIsMadeShownAndUsed() throws IOException {
    Path page = folder.resolve("page.html");
    String built = build("--html", page.toString()).out();
    assertThat(built).contains("4 concepts at 8 layers of resid_post, pca", "Directions by layer");
    fits(built);
    assertThat(page).content().contains("city that is located in");

    String shown = run("concepts", "show", dictionary.toString(), "--layer", "3").out();
    assertThat(shown).contains("Concepts at layer 3", "place");
    fits(shown);

    String apart =
        run(
                "concepts",
                "decompose",
                dictionary.toString(),
                "Most pilots are",
                "--layer",
                "3",
                "--solver",
                "omp",
                "--atoms",
                "2",
                "--json",
                "-")
            .out();
    assertThat(
            run(
                    "explain",
                    "Most pilots are",
                    "--sections",
                    "target",
                    "--dictionary",
                    dictionary.toString())
                .out())
        .contains("Target by layer", "Concepts by token");
    var json = JsonMapper.shared().readTree(apart);
    assertThat(json.path("method").asString()).isEqualTo("active-concepts");
    assertThat(json.path("arrays").path("coefficients").path("axes").path(0).path("size").asInt())
        .isEqualTo(4);
  }

  @Test
  void whatDoesNotFitIsRefusedInOneSentence() throws IOException {
    String out = dictionary.toString();
    fails(Main.MISUSED, "Missing required option: '--out-dir", "concepts", "build");
    Path single =
        Files.writeString(
            folder.resolve("one.jsonl"),
            "{\"concept\": \"joy\", \"stimuli\": [\"She laughs.\"]}\n");
    fails(
        Main.FAILED,
        "the concept 'joy' has one stimulus",
        "concepts",
        "build",
        "--data",
        single.toString(),
        "--out-dir",
        out);
    Path twice = folder.resolve("twice.jsonl");
    String line = Files.readAllLines(data).getFirst();
    Files.write(twice, List.of(line, line));
    fails(
        Main.FAILED,
        "is there already",
        "concepts",
        "build",
        "--data",
        twice.toString(),
        "--out-dir",
        out);
    assertThat(dictionary).doesNotExist();
    build("--layers", "2-3");
    fails(
        Main.FAILED,
        "was made with another reading (pca) than is asked for (probe)",
        "concepts",
        "build",
        "--data",
        data.toString(),
        "--out-dir",
        out,
        "--template",
        "{stimulus}",
        "--layers",
        "2-3",
        "--method",
        "probe");
    fails(
        Main.MISUSED,
        "--layer 7: %s has layers [2, 3]".formatted(out),
        "concepts",
        "show",
        out,
        "--layer",
        "7");
    fails(
        Main.FAILED,
        "this dictionary was made from tidepool".toLowerCase(Locale.ROOT),
        "concepts",
        "decompose",
        out,
        "Most pilots are",
        "-m",
        "tidepool-fair");
  }
}
