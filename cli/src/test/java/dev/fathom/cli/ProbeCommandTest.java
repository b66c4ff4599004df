package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.checkpoint.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

/// `probe` through the real entry point, on the bundled model.
class ProbeCommandTest {
  private static final List<String> CITIES = List.of("Rome", "Lima", "Paris", "Cairo", "Oslo");
  private static final List<String> WORKERS =
      List.of("miners", "nurses", "pilots", "sailors", "carpenters");

  @TempDir private Path folder = Path.of("");
  private Path data = Path.of("");

  @BeforeEach
  void writeTexts() throws IOException {
    var lines = new ArrayList<String>();
    lines.add("text,label,group,word");
    for (int i = 0; i < 5; i++) {
      for (String place :
          List.of("%s is located in", "The city of %s, which is in", "%s lies in")) {
        lines.add("\"%s\",city,c%d,%s".formatted(place.formatted(CITIES.get(i)), i, CITIES.get(i)));
      }
      for (String most : List.of("Most %s are", "In our town, %s are", "It is said that %s are")) {
        String text = most.formatted(WORKERS.get(i));
        lines.add("\"%s\",work,w%d,%s".formatted(text, i, WORKERS.get(i)));
      }
    }
    data = Files.write(folder.resolve("texts.csv"), lines);
  }

  private FakeTerminal run(String... more) {
    var args = new ArrayList<>(List.of("probe", "--data", data.toString()));
    args.addAll(List.of("--cache", folder.resolve("cache").toString()));
    args.addAll(Arrays.asList(more));
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args.toArray(String[]::new))).as(terminal.err()).isZero();
    return terminal;
  }

  private static void isMisuse(String sentence, String... args) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(args)).as(terminal.err()).isEqualTo(Main.MISUSED);
    assertThat(terminal.err()).contains(sentence);
    assertThat(terminal.out()).isEmpty();
  }

  @Test
  void twoKindsOfTextAreToldApartAndTheDirectionsKept() throws IOException {
    Path page = folder.resolve("page.html");
    Path kept = folder.resolve("kept.safetensors");
    Path arrays = folder.resolve("arrays.safetensors");
    String out =
        run(
                "--test-share",
                "0.4",
                "--html",
                page.toString(),
                "--save",
                kept.toString(),
                "--out",
                arrays.toString())
            .out();
    assertThat(out)
        .contains("'work' against 'city'", "Split at random instead of by group", "shuffled")
        .contains("Probes on other layers", "Classes at resid_post.7");
    assertThat(out.lines()).allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
    assertThat(page).content().contains("texts.csv", "Probes by layer");
    try (var file = SafetensorsFile.open(kept)) {
      assertThat(file.tensors()).containsKeys("resid_post.0.direction", "resid_post.7.auc");
      assertThat(file.metadata()).containsEntry("fathom.kind", "probe");
    }
    try (var file = SafetensorsFile.open(arrays)) {
      assertThat(file.tensors()).containsKeys("probe_auc", "probe_generalisation");
    }
    try (var files = Files.list(folder.resolve("cache"))) {
      assertThat(files).hasSize(1);
    }
  }

  @Test
  void sitesLayersAndReductionsCanBeChosen() throws IOException {
    var json =
        JsonMapper.shared()
            .readTree(
                run(
                        "--site",
                        "z.h1",
                        "--layers",
                        "2-4",
                        "--reduce",
                        "word",
                        "--split",
                        "random",
                        "--positive",
                        "city",
                        "--geometry",
                        "3",
                        "--no-bos",
                        "--json",
                        "-")
                    .out());
    assertThat(json.path("arrays").path("probe_auc").path("values")).hasSize(3);
    assertThat(json.path("provenance").path("parameters").toString())
        .contains("z.2.h1, z.3.h1, z.4.h1", "\"word\"", "\"random\"", "\"city\"");
    assertThat(json.path("views").toString())
        .contains("Classes at z.3.h1")
        .doesNotContain("Classes at z.4.h1");
    run("--site", "final_norm", "--reduce", "last", "--probes", "1", "--shuffles", "0", "-q");
  }

  @Test
  void whatCannotBeProbedIsRefusedBeforeTheModelIsOpened() throws IOException {
    Path one = Files.writeString(folder.resolve("one.csv"), "text,label\na,x\nb,x\n");
    isMisuse("have the label 'x'", "probe", "-m", "nowhere", "--data", one.toString());
    Path three = Files.writeString(folder.resolve("3.csv"), "text,label\na,x\nb,y\nc,z\n");
    isMisuse("--positive", "probe", "-m", "nowhere", "--data", three.toString());
    isMisuse(
        "only 1 of 3 texts are of the positive class",
        "probe",
        "-m",
        "nowhere",
        "--data",
        three.toString(),
        "--positive",
        "x");
    isMisuse(
        "--split group needs texts with groups",
        "probe",
        "-m",
        "nowhere",
        "--data",
        three.toString(),
        "--positive",
        "x",
        "--split",
        "group");
    isMisuse(
        "needs a word with each text",
        "probe",
        "-m",
        "nowhere",
        "--data",
        three.toString(),
        "--positive",
        "x",
        "--reduce",
        "word");
    isMisuse(
        "one of --cache and --no-cache",
        "probe",
        "--data",
        one.toString(),
        "--no-cache",
        "--cache",
        "c");
    String file = data.toString();
    isMisuse("--probes 0: at least 1", "probe", "--data", file, "--probes", "0");
    isMisuse("--shuffles -1: 0 or more", "probe", "--data", file, "--shuffles=-1");
    isMisuse("--strength 0.0: a number above 0", "probe", "--data", file, "--strength", "0");
    isMisuse("--span 1.5: an AUC from 0", "probe", "--data", file, "--span", "1.5");
    var terminal = FakeTerminal.piped();
    String nowhere = folder.resolve("no/such").toString();
    assertThat(terminal.run("probe", "-m", "nowhere", "--data", file, "--save", nowhere))
        .isEqualTo(Main.FAILED);
    assertThat(terminal.err()).contains("its folder does not exist");
    assertThat(terminal.run("probe", "--data", folder.resolve("none.csv").toString()))
        .isEqualTo(Main.FAILED);
    assertThat(terminal.err()).contains("there is no such file");
  }

  @Test
  void sitesAndLayersThatAreNotThereAreNamed() {
    String file = data.toString();
    isMisuse("did you mean mlp_out", "probe", "--data", file, "--site", "mlp_outt");
    isMisuse("this model has layers 0 to 7", "probe", "--data", file, "--layers", "9");
    isMisuse("has a matrix a head", "probe", "--data", file, "--site", "pattern", "--no-cache");
    isMisuse("--geometry 7: only", "probe", "--data", file, "--layers", "2-4", "--geometry", "7");
  }
}
