package dev.fathom.align.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import dev.fathom.align.Fitting;
import dev.fathom.align.Fittings;
import dev.fathom.align.lope.NeuronSurvey;
import dev.fathom.align.lope.PairErasure;
import dev.fathom.align.lope.StereotypeSurvey;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.explain.report.Figures;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Threads;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AlignmentFiguresTest {
  private static final Transformer MODEL = Fittings.load("llama", DType.F32);
  private static final AlignmentStudy.HeldOut HELD_OUT =
      new AlignmentStudy.HeldOut("lines", List.of("one line of words", "another line"), 20);

  @TempDir private Path folder = Path.of("");
  private final List<String> told = new ArrayList<>();

  @BeforeAll
  static void oneThread() {
    Threads.set(1); // more only wait for each other over products this small
  }

  @AfterAll
  static void close() {
    MODEL.close();
  }

  private Path runs() {
    return folder.resolve("runs");
  }

  private static Fitting fitting(List<StereoSetItem> items, long seed) {
    Fitting some = Fittings.of(MODEL, Fittings.GENDER);
    return new Fitting(
        MODEL,
        some.tokenizer(),
        "gender",
        items,
        some.words(),
        some.neutral(),
        some.context(),
        some.start(),
        seed,
        Optional.empty());
  }

  private void study(int seeds, String... names) {
    var domains = new ArrayList<AlignmentStudy.Domain>();
    for (long seed = 1; seed <= seeds; seed++) {
      for (Folds.Fold fold : Folds.of(Fittings.items(Fittings.GENDER), 2, seed)) {
        domains.add(
            new AlignmentStudy.Domain(fitting(fold.fit(), seed), fold.number(), fold.test()));
      }
    }
    var entrants = new ArrayList<Entrant>();
    for (String name : names) {
      entrants.add(new Entrant(name, List.of(PairErasure.of(name.length()))));
    }
    AlignmentStudy.run(domains, entrants, HELD_OUT, runs(), _ -> {});
  }

  private String page(Transformer model, Optional<AlignmentFigures.Items> items, String... ids)
      throws IOException {
    Fitting some = Fittings.of(model, Fittings.GENDER);
    Optional<Path> alignments = Files.exists(runs()) ? Optional.of(runs()) : Optional.empty();
    var config =
        Figures.Config.standard()
            .with(AlignmentFigures.of(items, alignments))
            .of(ids)
            .telling(told::add);
    Path figures = folder.resolve("figures");
    return Files.readString(Figures.run(model, some.tokenizer(), figures, config));
  }

  private static AlignmentFigures.Items items() {
    var neurons = NeuronSurvey.Config.standard().withNeurons(3);
    return new AlignmentFigures.Items(
        "toy.json",
        Fittings.items(Fittings.GENDER),
        StereotypeSurvey.Config.standard().with(neurons).withMost(8));
  }

  @Test
  void whatNeedsDataIsDrawnOnceItIsThereAndThenStays() throws IOException {
    String[] ids = {"4.9", "4.10", "5.5", "5.6", "5.7"};
    String none = page(MODEL, Optional.empty(), ids);
    assertThat(none)
        .contains("Not here yet", "<code>fathom figures -m MODEL --bias-data FILE")
        .doesNotContain("<h2>Figure 4.9");
    assertThat(told).anyMatch(line -> line.startsWith("figure 4.10 is missing: fathom figures"));
    String page = page(MODEL, Optional.of(items()), ids);
    assertThat(page)
        .contains("<h2>Figure 4.9: ", "<h2>Figure 4.10: ", "<h2>Figure 5.5: ")
        .contains("<h2>Figure 5.6: ", "<h2>Figure 5.7: ", "toy.json: &#39;stereotype&#39;")
        .contains("stereotype (8 texts)", "lie within 3 layers", "layers are read by no probe")
        .doesNotContain("Not here yet");
    assertThat(page.indexOf("<h2>Figure 4.10")).isGreaterThan(page.indexOf("<h2>Figure 4.9"));
    try (var arrays = SafetensorsFile.open(folder.resolve("figures/figure-4.9.safetensors"))) {
      assertThat(arrays.tensors()).containsKeys("probe_coordinates", "probe_positive");
    }
    try (var arrays = SafetensorsFile.open(folder.resolve("figures/figure-5.7.safetensors"))) {
      assertThat(arrays.tensors())
          .containsOnlyKeys("activation_mean", "activation_mean_low", "activation_mean_high");
    }
    told.clear();
    assertThat(page(MODEL, Optional.empty(), ids)).contains("<h2>Figure 5.6: ");
    assertThat(told).allMatch(line -> line.endsWith("is there already")).hasSize(5);
  }

  @Test
  void whatStudiesLeftIsDrawnAndWhatTheyDidNotEndIsLeftOut() throws IOException {
    String[] ids = {"table-5.4", "table-5.5"};
    assertThat(page(MODEL, Optional.empty(), ids)).contains("<code>fathom align table -m MODEL");
    study(2, "pairs", "lope");
    String page = page(MODEL, Optional.empty(), ids);
    assertThat(page)
        .contains("<h2>Table 5.4: ", "<h2>Table 5.5: ", "ICAT, all domains pooled: base ")
        .contains("What gender (men or women) are nurses? They are", "lope: ", "pairs: ")
        .doesNotContain("that has not ended");
    assertThat(table().outcomes()).hasSize(12);
    assertThat(table().entrants()).containsExactly("base", "lope", "pairs"); // as in tables
    // a method that was not tried everywhere, and a seed that has not ended
    study(1, "pairs", "lope", "editOnly");
    Files.delete(runs().resolve("seed1/gender2/editOnly/outcome.json"));
    Files.delete(runs().resolve("seed2/gender2/lope/outcome.json"));
    assertThat(table().entrants()).containsExactly("base", "lope", "editOnly", "pairs");
    assertThat(table().outcomes()).hasSize(4).allMatch(one -> one.fold() == 1 && one.seed() == 1);
    assertThat(new AlignmentDirectory(runs(), MODEL).leftOut()).isEqualTo(8);
    assertThat(page(MODEL, Optional.empty(), ids)).contains("8 outcomes of a study that has not");
  }

  private AlignmentTable table() {
    return new AlignmentDirectory(runs(), MODEL).table().orElseThrow();
  }

  @Test
  void theTableIsWhatTheStudyShowed() {
    study(1, "pairs");
    var domains = new ArrayList<AlignmentStudy.Domain>();
    for (Folds.Fold fold : Folds.of(Fittings.items(Fittings.GENDER), 2, 1)) {
      domains.add(new AlignmentStudy.Domain(fitting(fold.fit(), 1), fold.number(), fold.test()));
    }
    var entrants = List.of(new Entrant("pairs", List.of(PairErasure.of(5))));
    AlignmentTable shown = AlignmentStudy.run(domains, entrants, HELD_OUT, runs(), _ -> {});
    assertThat(table().arrays()).isEqualTo(shown.arrays());
    assertThat(table().tables()).isEqualTo(shown.tables());
  }

  @Test
  void aFolderOfAnotherModelIsRefused() throws IOException {
    study(1, "pairs");
    try (var other = Fittings.load("mistral", DType.F32)) {
      assertThatThrownBy(() -> page(other, Optional.empty(), "table-5.4"))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("is of another model than");
      for (int fold = 1; fold <= 2; fold++) { // as outcomes were before they named their model
        for (String name : List.of("base", "pairs")) {
          Path file = runs().resolve("seed1/gender%d/%s/outcome.json".formatted(fold, name));
          Files.writeString(file, Files.readString(file).replace("\"model\"", "\"else\""));
        }
      }
      assertThat(table().entrants()).containsExactly("base", "pairs");
      assertThatThrownBy(() -> new AlignmentDirectory(runs(), other))
          .hasMessageContaining("pairs/outcome.json is of another model");
    }
    assertThatThrownBy(() -> new AlignmentDirectory(folder.resolve("none"), MODEL))
        .hasMessageContaining("no such folder of alignments");
    Files.createDirectories(folder.resolve("empty"));
    var empty = new AlignmentDirectory(folder.resolve("empty"), MODEL);
    assertThat(empty.table()).isEmpty();
    assertThat(empty.edits()).isEmpty();
  }
}
