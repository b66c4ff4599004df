package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.GgufFile;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.concepts.Dictionary;
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
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// `steer` through the real entry point, on the bundled model.
class SteerCommandTest {
  private static final List<String> MEN = List.of("plumbers", "roofers", "pilots", "miners");
  private static final List<String> WOMEN = List.of("nurses", "authors", "violinists", "teachers");

  @TempDir private Path folder = Path.of("");
  private Path pairs = Path.of("");
  private Path text = Path.of("");

  @BeforeEach
  void writeTexts() throws IOException {
    var lines = new ArrayList<String>();
    for (int i = 0; i < MEN.size(); i++) {
      for (String way : List.of("Most %s are", "It is said that %s are")) {
        lines.add(
            "{\"positive\": \"%s\", \"negative\": \"%s\"}"
                .formatted(way.formatted(MEN.get(i)), way.formatted(WOMEN.get(i))));
      }
    }
    pairs = Files.write(folder.resolve("men.jsonl"), lines);
    text = Files.writeString(folder.resolve("neutral.txt"), "The city of Rome lies in Italy.\n");
  }

  private FakeTerminal run(String... more) {
    var args = new ArrayList<>(List.of("steer"));
    args.addAll(Arrays.asList(more));
    args.addAll(List.of("--text", text.toString(), "-n", "3", "--controls", "1", "--threads", "1"));
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args.toArray(String[]::new))).as(terminal.err()).isZero();
    return terminal;
  }

  /// What was printed, in one line.
  private static String said(FakeTerminal terminal) {
    return terminal.out().replaceAll("\\s+", " ");
  }

  private static JsonNode json(FakeTerminal terminal) {
    return JsonMapper.shared().readTree(terminal.out());
  }

  private static double effect(JsonNode json, int strength) {
    return json.path("arrays").path("effect").path("values").path(strength).asDouble();
  }

  private static void isMisuse(String sentence, String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isEqualTo(Main.MISUSED);
    assertThat(terminal.err()).contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  @Test
  void aSweepShowsEffectFluencyAndTexts() {
    Path page = folder.resolve("page.html");
    var terminal =
        run(
            "--pairs",
            pairs.toString(),
            "--layers",
            "3",
            "--strengths=-4,0,4",
            "--targets",
            " men",
            " women",
            "--html",
            page.toString(),
            "Most bakers are");
    assertThat(said(terminal))
        .contains("share of 'men'", "Steering by strength", "Most bakers are", "4 random: ")
        .contains("always the same way");
    assertThat(terminal.out().lines())
        .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
    assertThat(terminal.err()).contains("note: Along layer 3's direction", "held-out pairs");
    assertThat(page).content().contains("Effect and fluency by strength", "men.jsonl");
  }

  @Test
  void whatIsSavedAndExportedDoesTheSame() {
    Path edit = folder.resolve("men.safetensors");
    Path vector = folder.resolve("men.gguf");
    JsonNode steered =
        json(
            run(
                "--pairs",
                pairs.toString(),
                "--layers",
                "3-4",
                "--strength",
                "-3",
                "--targets",
                " men",
                " women",
                "--save",
                edit.toString(),
                "--export",
                vector.toString(),
                "--json",
                "-",
                "Most bakers are"));
    double with = effect(steered, 0); // strengths ascend
    double without = effect(steered, 1);
    assertThat(with).isLessThan(without - 0.1);
    try (var file = GgufFile.open(vector)) {
      assertThat(file.tensors()).containsOnlyKeys("direction.3", "direction.4");
    }
    try (var file = SafetensorsFile.open(edit)) {
      assertThat(file.metadata()).containsEntry("fathom.kind", "edit");
      assertThat(file.metadata().toString()).contains("men.jsonl", "resid_post.3 by -3");
    }
    JsonNode read =
        json(
            run(
                "--vector",
                vector.toString(), // at scale 1, as it was kept
                "--targets",
                " men",
                " women",
                "--json",
                "-",
                "Most bakers are"));
    assertThat(effect(read, 1)).isCloseTo(with, within(1e-4));
    JsonNode edited =
        json(
            run(
                "--edit",
                edit.toString(),
                "--pairs",
                pairs.toString(),
                "--layers",
                "3",
                "--targets",
                " men",
                " women",
                "--json",
                "-",
                "Most bakers are"));
    assertThat(effect(edited, 0)).isCloseTo(with, within(1e-4));
  }

  @Test
  void headsProjectionsAndProbesSteerToo() {
    assertThat(
            run("--pairs", pairs.toString(), "--how", "heads", "--heads", "3", "Most bakers are")
                .err())
        .contains("note: Shifting 3 of ", "held-out texts: z.");
    Path edit = folder.resolve("writes.safetensors");
    run(
        "--pairs",
        pairs.toString(),
        "--how",
        "writes",
        "--save",
        edit.toString(),
        "--tokens",
        "all",
        "Most bakers are");
    assertThat(edit).isRegularFile();
    run(
        "--pairs",
        pairs.toString(),
        "--reduce",
        "mean",
        "--how",
        "project",
        "--tokens",
        "generated",
        "Most cooks are");
    Path probe = folder.resolve("probe.safetensors");
    Path labelled = folder.resolve("labelled.csv");
    var rows = new ArrayList<>(List.of("text,label"));
    MEN.forEach(who -> rows.add("Most %s are,men".formatted(who)));
    WOMEN.forEach(who -> rows.add("Most %s are,women".formatted(who)));
    try {
      Files.write(labelled, rows);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
    var terminal = FakeTerminal.piped();
    assertThat(
            terminal.run(
                "probe",
                "--data",
                labelled.toString(),
                "--positive",
                "men",
                "--reduce",
                "last",
                "--test-share",
                "0.5",
                "--shuffles",
                "0",
                "--no-cache",
                "--save",
                probe.toString()))
        .as(terminal.err())
        .isZero();
    assertThat(said(run("--probe", probe.toString(), "Most bakers are")))
        .contains("the direction that steers");
    assertThat(
            said(run("--pairs", pairs.toString(), "--judge", probe.toString(), "Most bakers are")))
        .contains("lies along a direction of probe.safetensors");
  }

  /// A dictionary of two concepts at one layer, as its format is documented.
  ///
  /// @param length of their directions, about
  private Path dictionary(String called, double length) throws IOException {
    Path directory = Files.createDirectories(folder.resolve(called));
    String sha;
    String name;
    Path any = folder.resolve("any.safetensors");
    run("--pairs", pairs.toString(), "--save", any.toString());
    try (var file = SafetensorsFile.open(any)) {
      Card card = Card.fromMetadata(file.metadata(), any);
      sha = card.baseSha256();
      name = card.baseName();
    }
    Files.writeString(
        directory.resolve("dictionary.json"),
        """
        {"fathom.dictionary": 1, "site": "resid_post", "layers": [3], "concepts":
          [{"name": "joy", "pairs": 4, "held": 2}, {"name": "anger", "pairs": 4, "held": 2}]}
        """);
    int width = 128;
    try (var file = SafetensorsFile.open(any)) {
      width =
          file.tensors().values().stream()
              .mapToInt(info -> Math.toIntExact(info.shape().getLast()))
              .max()
              .orElse(width);
    }
    var specs =
        new ArrayList<>(
            List.of(
                TensorSpec.of("direction", TensorType.F32, 2, width),
                TensorSpec.of("mean", TensorType.F32, 2, width)));
    List<String> measures =
        Arrays.stream(Dictionary.Measure.values())
            .map(measure -> measure.name().toLowerCase(Locale.ROOT))
            .toList();
    measures.forEach(measure -> specs.add(TensorSpec.of(measure, TensorType.F32, 2)));
    var random = new Random(1);
    try (var scope = Scope.withoutGradients();
        var writer =
            SafetensorsWriter.create(
                directory.resolve("layer-03-2.safetensors"),
                specs,
                Card.of("dictionary", "test", name, sha).toMetadata())) {
      float[] rows = new float[2 * width];
      for (int i = 0; i < rows.length; i++) {
        rows[i] = (float) (length * random.nextGaussian() / Math.sqrt(width));
      }
      writer.append("direction", Tensor.of(rows, 2, width).memory());
      writer.append("mean", Tensor.of(new float[2 * width], 2, width).memory());
      for (String measure : measures) {
        writer.append(measure, Tensor.of(new float[] {50, 50}, 2).memory());
      }
      writer.commit();
    }
    return directory;
  }

  @Test
  void conceptsOfADictionaryAreAddedAndRemoved() throws IOException {
    String dictionary = dictionary("concepts", 1).toString();
    var added = run("--dictionary", dictionary, "--concept", "joy", "Most bakers are");
    assertThat(added.err()).contains("Steering at layer 3; a step of strength 1 is 50.0 long");
    var removed =
        run(
            "--dictionary",
            dictionary,
            "--how",
            "remove",
            "--concept",
            "joy",
            "--concept",
            "anger",
            "Most bakers are");
    assertThat(removed.err()).contains("Taking joy, anger off activations at resid_post.3");
    var twice =
        run(
            "--dictionary",
            dictionary,
            "--how",
            "remove",
            "--concept",
            "joy",
            "--concept",
            "joy",
            "--strength",
            "0",
            "Most bakers are");
    assertThat(twice.err()).contains("Taking joy off activations");
    assertThat(said(twice)).contains("At strength 0 the ").doesNotContain("From strength");
    isMisuse(
        "layer 3: none of the dictionary's 2 concepts has a direction there",
        "steer",
        "--dictionary",
        dictionary("nothing", 0).toString(),
        "--how",
        "remove",
        "--concept",
        "joy",
        "Hello");
    isMisuse(
        "there is no concept 'job'",
        "steer",
        "--dictionary",
        dictionary,
        "--concept",
        "job",
        "Hello");
    isMisuse(
        "depends on each token",
        "steer",
        "--dictionary",
        dictionary,
        "--how",
        "remove",
        "--concept",
        "joy",
        "--save",
        folder.resolve("no.safetensors").toString());
  }

  @Test
  void whatMakesNoSenseIsSaidInASentence() {
    String file = pairs.toString();
    isMisuse("Say along what to steer", "steer", "Hello");
    isMisuse("A PROMPT is empty", "steer", "-m", "none", "--pairs", file, "");
    isMisuse("and 100000 are to follow", "steer", "--pairs", file, "-n", "100000", "Hi");
    isMisuse("not several", "steer", "--pairs", file, "--probe", "x.safetensors", "Hello");
    isMisuse("give --dictionary too", "steer", "--pairs", file, "--concept", "joy", "Hello");
    isMisuse("Nothing to do", "steer", "--pairs", file);
    isMisuse("not both", "steer", "--pairs", file, "--strength", "1", "--strengths", "2,3", "Hi");
    isMisuse("a number is needed", "steer", "--pairs", file, "--strength", "NaN", "Hi");
    isMisuse("two different words", "steer", "--pairs", file, "--targets", "a", "a", "Hi");
    isMisuse("heads are read at", "steer", "--pairs", file, "--how", "heads", "--reduce", "mean");
    isMisuse("give --pairs", "steer", "--vector", "v.gguf", "--how", "heads", "Hi");
    isMisuse(
        "changed weights act on every token",
        "steer",
        "--pairs",
        file,
        "--tokens",
        "generated",
        "--save",
        "x.safetensors");
    isMisuse(
        "adds a control vector at every token",
        "steer",
        "--pairs",
        file,
        "--tokens",
        "generated",
        "--export",
        "x.gguf");
    for (String keep : List.of("--save", "--export")) {
      isMisuse("nothing to keep", "steer", "--pairs", file, "--strength", "-0", keep, "x");
    }
    isMisuse(
        "a control vector is a step",
        "steer",
        "--pairs",
        file,
        "--how",
        "project",
        "--export",
        "x.gguf");
    isMisuse(
        "what the embedding wrote",
        "steer",
        "--pairs",
        file,
        "--how",
        "project",
        "--save",
        folder.resolve("x.safetensors").toString());
    isMisuse(
        "leave layer 0 out",
        "steer",
        "--pairs",
        file,
        "--layers",
        "0-2",
        "--save",
        folder.resolve("x.safetensors").toString(),
        "--export",
        folder.resolve("x.gguf").toString());
    assertThat(folder).isDirectoryNotContaining("glob:**/x.*"); // neither, not one of them
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run("steer", "--pairs", "none.jsonl", "Hi")).isEqualTo(Main.FAILED);
    assertThat(terminal.err()).contains("none.jsonl: there is no such file");
  }
}
