package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.concepts.Dictionary;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine.Option;
import tools.jackson.databind.json.JsonMapper;

/// `concepts map` through the real entry point, on dictionaries of four planted groups.
class ConceptsMapCommandTest {
  private static final int M = 24;

  @TempDir private Path folder = Path.of("");
  private Path base = Path.of("");
  private Path tuned = Path.of("");
  private Path narrow = Path.of("");

  @BeforeEach
  void writeDictionaries() throws IOException {
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

  /// A dictionary of layer 3, as the documentation of [Dictionary] says it is kept.
  private Path write(String model, double[][] rows) throws IOException {
    Path path = Files.createDirectories(folder.resolve(model));
    var json = JsonMapper.shared().createObjectNode();
    json.put("fathom.dictionary", 1).put("site", "resid_post").putArray("layers").add(3);
    var concepts = json.putArray("concepts");
    for (int i = 0; i < rows.length; i++) {
      concepts
          .addObject()
          .put("name", i == 0 ? "love" : "concept " + i)
          .put("group", "group " + i % 4)
          .put("pairs", 8)
          .put("held", 2);
    }
    Files.writeString(path.resolve("dictionary.json"), json.toString());
    int width = rows[0].length;
    var measures =
        Arrays.stream(Dictionary.Measure.values())
            .map(measure -> measure.name().toLowerCase(Locale.ROOT))
            .toList();
    var specs = new ArrayList<TensorSpec>();
    specs.add(TensorSpec.of("direction", TensorType.F32, rows.length, width));
    specs.add(TensorSpec.of("mean", TensorType.F32, rows.length, width));
    measures.forEach(name -> specs.add(TensorSpec.of(name, TensorType.F32, rows.length)));
    Card card = Card.of("dictionary", "chosen", "model " + model, "sha of " + model);
    Path file = path.resolve("layer-03-%d.safetensors".formatted(rows.length));
    try (var scope = Scope.withoutGradients();
        var writer = SafetensorsWriter.create(file, specs, card.toMetadata())) {
      writer.append("direction", Tensor.ofRows(List.of(rows)).to(DType.F32).contiguous().memory());
      writer.append("mean", Tensor.zeros(DType.F32, rows.length, width).memory());
      for (String name : measures) {
        float[] values = new float[rows.length];
        Arrays.fill(values, 0.75f);
        writer.append(name, Tensor.of(values, rows.length).memory());
      }
      writer.commit();
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

  /// Two queries with one direction: nothing is as near to them as they are to each other.
  @Test
  void queriesOfNothingButThemselvesAreMapped() throws IOException {
    var random = new Random(2);
    double[][] rows = new double[M][16];
    for (double[] row : rows) {
      Arrays.setAll(row, _ -> random.nextGaussian());
    }
    rows[1] = rows[0].clone();
    Path twins = write("twins", rows);
    assertThat(run(Main.DONE, twins.toString(), "--queries", "love,concept 1").out())
        .contains("mean cosine of pairs", "24 concepts of 2 groups")
        .doesNotContain("silhouette", "same group");
    assertThat(run(Main.DONE, twins.toString(), "--queries", "love").out())
        .contains("24 concepts of 1 group.");
  }

  /// A percent sign has to be written twice: a description is a format.
  @Test
  void descriptionsCanBeFormatted() {
    var descriptions =
        Arrays.stream(ConceptsMapCommand.class.getDeclaredFields())
            .flatMap(field -> Arrays.stream(field.getAnnotationsByType(Option.class)))
            .map(option -> String.join(" ", option.description()))
            .toList();
    assertThat(descriptions)
        .isNotEmpty()
        .allSatisfy(description ->
            assertThatCode(() -> String.format(Locale.ROOT, description))
                .doesNotThrowAnyException());
    assertThat(run(Main.DONE, "--help").out()).contains("P % of all");
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
