package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.concepts.DirectionFixtures;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

/// `concepts map` through the real entry point, on dictionaries of four planted groups.
class ConceptsMapCommandTest {
  private static final int M = 24;

  @TempDir private Path folder = Path.of("");
  private Path base = Path.of("");
  private Path tuned = Path.of("");
  private Path narrow = Path.of("");

  @BeforeEach
  void writeDictionaries() {
    var random = new Random(1);
    double[][] rows = new double[M][16];
    for (int i = 0; i < M; i++) {
      int group = i % 4;
      Arrays.setAll(rows[i], c -> (c / 4 == group ? 2 : 0) + random.nextGaussian());
    }
    double[][] moved = new double[M][];
    for (int i = 0; i < M; i++) {
      double noise = i % 4 == 1 ? 3 : 0.2;
      moved[i] = Arrays.stream(rows[i]).map(x -> x + noise * random.nextGaussian()).toArray();
    }
    base = write("base", rows);
    tuned = write("tuned", moved);
    narrow =
        write("narrow", Arrays.stream(rows).map(r -> Arrays.copyOf(r, 8)).toArray(double[][]::new));
  }

  private Path write(String model, double[][] rows) {
    var names = IntStream.range(0, M).mapToObj(i -> i == 0 ? "love" : "concept " + i).toList();
    var groups = IntStream.range(0, M).mapToObj(i -> "group " + i % 4).toList();
    Path path = folder.resolve(model);
    try (var scope = Scope.withoutGradients()) {
      DirectionFixtures.write(path, "model " + model, names, groups, Tensor.ofRows(List.of(rows)))
          .close();
    }
    return path;
  }

  private static FakeTerminal run(int code, String... args) {
    var terminal = FakeTerminal.piped();
    var all = new ArrayList<>(List.of("concepts", "map"));
    all.addAll(Arrays.asList(args));
    assertThat(terminal.run(all.toArray(String[]::new))).as(terminal.err()).isEqualTo(code);
    return terminal;
  }

  private static void isMisuse(String sentence, String... args) {
    var terminal = run(Main.MISUSED, args);
    assertThat(terminal.err()).contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  @Test
  void oneDictionaryIsMappedAndLookedAtClosely() {
    Path page = folder.resolve("page.html");
    Path arrays = folder.resolve("arrays.safetensors");
    String out =
        run(
                Main.DONE,
                base.toString(),
                "--around",
                "love",
                "--html",
                page.toString(),
                "--out",
                arrays.toString())
            .out();
    assertThat(out)
        .contains("24 concepts of 4 groups", "Concepts in model base, layer 3")
        .contains("Around 'love'", "mean cosine of pairs", "Nearest concepts");
    assertThat(out.lines()).allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
    assertThat(page).content().contains("Map of concepts").doesNotContain("data-key=\"map/");
    try (var file = SafetensorsFile.open(arrays)) {
      assertThat(file.tensors()).containsKeys("map", "neighbours", "dispersion");
    }
    assertThat(run(Main.DONE, base.toString(), "--around", "love").out()).isEqualTo(out);
  }

  @Test
  void twoDictionariesTellWhereTheChangeIs() {
    var json =
        JsonMapper.shared()
            .readTree(
                run(Main.DONE, base.toString(), "--with", tuned.toString(), "--json", "-").out());
    assertThat(json.path("provenance").path("parameters").path("mode").asString())
        .isEqualTo("joint");
    var change = json.path("arrays").path("group_change");
    assertThat(change.path("axes").path(0).path("labels").path(0).asString()).isEqualTo("group 1");
    assertThat(change.path("values").path(0).path(3).asDouble()).isLessThan(0.01);
    for (String mode : List.of("separate", "transform")) {
      assertThat(
              run(
                      Main.DONE,
                      base.toString(),
                      "--with",
                      tuned.toString(),
                      "--mode",
                      mode,
                      "--projection",
                      "pca")
                  .out())
          .contains("'group 1' changed more", "Most changed");
    }
    assertThat(run(Main.DONE, base.toString(), "--with", narrow.toString()).out())
        .contains("neighbours kept")
        .doesNotContain("Most changed");
  }

  @Test
  void queriesColourInsteadOfGroups() {
    assertThat(
            run(Main.DONE, base.toString(), "--queries", "love,concept 1", "--percentile", "80")
                .out())
        .contains("24 concepts of 2 groups", "love (", "concept 1 (", "others (");
  }

  @Test
  void whatMakesNoSenseIsRefusedInASentence() {
    isMisuse("--mode is about two models", base.toString(), "--mode", "joint");
    isMisuse("--with-layer is about two models", base.toString(), "--with-layer", "3");
    isMisuse("has layers [3]", base.toString(), "--layer", "9");
    isMisuse(
        "choose one by --with-layer",
        base.toString(),
        "--with",
        tuned.toString(),
        "--with-layer",
        "1");
    isMisuse("there is no concept 'hate' among its 24", base.toString(), "--around", "hate");
    isMisuse("there is no concept 'war'", base.toString(), "--queries", "love,war");
    isMisuse("--percentile 100.0", base.toString(), "--percentile", "100");
    isMisuse("--neighbours 1: at least 2", base.toString(), "--neighbours", "1");
    isMisuse("--nearest 0: at least 1", base.toString(), "--nearest", "0");
    isMisuse(
        "a joint map needs the same, so choose separate",
        base.toString(),
        "--with",
        narrow.toString(),
        "--mode",
        "joint");
    assertThat(run(Main.FAILED, folder.toString()).err())
        .contains("expected a folder with dictionary.json");
  }
}
