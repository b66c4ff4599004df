package dev.fathom.align.probe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.References;
import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.data.LabelledText;
import dev.fathom.model.Kind;
import dev.fathom.model.Numbers;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import dev.fathom.view.Report;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// On a random model: whether a text is mostly sevens is readable at every layer.
class ProbingTest {
  private static final Numbers NUMBERS = new Numbers(1000);
  private static Transformer model = load("llama");
  private static Features features = features(model, data(true));

  @BeforeAll
  static void oneThread() {
    Threads.set(1); // more only wait for each other over products this small
  }

  @AfterAll
  static void close() {
    features.close();
    model.close();
  }

  private static Transformer load(String family) {
    return Models.load(References.path("checkpoints/" + family), DType.F32);
  }

  /// Texts of three numbers; of positive ones two are 7.
  private static TwoClasses data(boolean grouped) {
    var random = new Random(3);
    var texts = new ArrayList<LabelledText>();
    for (int i = 0; i < 240; i++) {
      List<String> words = new ArrayList<>();
      for (int w = 0; w < 3; w++) {
        words.add(Integer.toString(20 + random.nextInt(30)));
      }
      if (i % 3 == 0) {
        int other = random.nextInt(3);
        words.set((other + 1) % 3, "7");
        words.set((other + 2) % 3, "7");
      }
      var text = LabelledText.of(String.join(" ", words), i % 3 == 0 ? "with" : "plain");
      texts.add(grouped ? text.in("g" + i / 8) : text);
    }
    return TwoClasses.of(texts);
  }

  private static Features features(Transformer model, TwoClasses data) {
    List<Features.Text> texts = data.texts().stream().map(Features.Text::of).toList();
    var slices = new ArrayList<>(Features.everyLayer(model, Kind.RESID_POST));
    return Features.of(model, NUMBERS, texts, Features.Config.of(slices), _ -> {});
  }

  private static ProbingResult run(Split split, Probing.Config config) {
    return Probing.run(model, features, data(true), split, config, () -> {});
  }

  private static Split byGroup() {
    return Split.byGroup(data(true).groups(), data(true).positive(), 0.25, 1);
  }

  @Test
  void whatIsThereIsFoundAtEveryLayerAndShuffledLabelsAreNot() {
    var done = new AtomicInteger();
    var result =
        Probing.run(
            model,
            features,
            data(true),
            byGroup(),
            Probing.Config.standard(),
            done::incrementAndGet);
    assertThat(done).hasValue(model.layers());
    assertThat(result.positiveLabel()).isEqualTo("with");
    assertThat(result.majority()).isCloseTo(2 / 3.0, within(0.05));
    for (LayerProbes layer : result.layers()) {
      assertThat(layer.quality().auc().value()).as("%s", layer.slice()).isGreaterThan(0.9);
      assertThat(layer.quality().accuracy().value()).isGreaterThan(0.8);
      assertThat(layer.meanShuffled()).isCloseTo(0.5, within(3 / Math.sqrt(result.texts().size())));
      assertThat(layer.geometry().overlap()).isLessThan(0.4);
      assertThat(layer.atRandom()).isPresent();
      double product =
          Planted.dot(
              layer.probes().get(0).probe().direction(), layer.probes().get(1).probe().direction());
      assertThat(product).isCloseTo(0, within(1e-6));
    }
  }

  @Test
  void theDiagonalOfTheMatrixIsEachProbesOwnAuc() {
    var result = run(byGroup(), Probing.Config.standard());
    Generalisation found = result.generalisation().orElseThrow();
    for (int l = 0; l < model.layers(); l++) {
      assertThat(found.auc().at(l, l))
          .isCloseTo(result.layers().get(l).quality().auc().value(), within(1e-6));
    }
    Split split = byGroup();
    try (var scope = Scope.withoutGradients()) {
      Tensor last = features.at(features.slices().getLast()); // the first probe on the last layer
      double[] scores = result.layers().getFirst().probe().projections(last);
      double[] held = split.test().stream().mapToDouble(i -> scores[i]).toArray();
      boolean[] labels = Split.of(data(true).positive(), split.test());
      assertThat(found.auc().at(0, model.layers() - 1))
          .isCloseTo(Auc.value(held, labels), within(1e-6));
    }
  }

  @Test
  void theSameSeedGivesTheSameOnAnyNumberOfThreads() {
    var config = Probing.Config.standard().withSeed(5);
    var once = run(byGroup(), config);
    Threads.set(2);
    try {
      var twice = run(byGroup(), config);
      assertThat(twice.layers()).isEqualTo(once.layers());
      assertThat(twice.generalisation()).isEqualTo(once.generalisation());
    } finally {
      Threads.set(1);
    }
    assertThat(run(byGroup(), config.withSeed(6)).layers().getFirst().shuffled())
        .isNotEqualTo(once.layers().getFirst().shuffled());
  }

  @Test
  void theMeasuresAreThoseOfTheHeldOutTexts() {
    Split split = Split.random(data(true).positive(), 0.25, 4);
    var result = run(split, Probing.Config.standard().withShuffles(0).withProbes(1));
    LayerProbes layer = result.layers().getFirst();
    assertThat(layer.shuffled()).isEmpty();
    assertThat(layer.atRandom()).isEmpty(); // it is a random split
    assertThat(layer.probes()).hasSize(1);
    try (var scope = Scope.withoutGradients()) {
      double[] all = layer.probe().projections(features.at(layer.slice()));
      long right =
          split.test().stream()
              .filter(i -> layer.probe().probability(all[i]) > 0.5 == data(true).positive()[i])
              .count();
      assertThat(layer.quality().accuracy().hits()).isEqualTo((int) right);
      assertThat(layer.quality().accuracy().of()).isEqualTo(split.test().size());
    }
  }

  @Test
  void everyRendererDrawsIt() {
    var config = Probing.Config.standard();
    for (ProbingResult result :
        List.of(
            run(byGroup(), config),
            run(
                Split.random(data(true).positive(), 0.25, 4),
                config.withShuffles(0).withProbes(1)))) {
      for (View view : result.views()) {
        assertThat(Terminal.render(view, TerminalStyle.plain()).lines())
            .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
      }
      var section = Section.of("Probes", "", result);
      var page = new Report("t", "s", List.of(), List.of(section), result.provenance());
      assertThat(Html.render(page)).contains("Probes by layer", "Classes at resid_post.1");
      assertThat(Json.render(result))
          .contains("probe_auc", "probe_generalisation", "probe_coordinates", "\"with\"");
    }
    var pictured = run(byGroup(), config).picturing(List.of(0));
    assertThat(pictured.views().stream().map(View::title))
        .contains("Classes at resid_post.0")
        .doesNotContain("Classes at resid_post.1");
    assertThat(pictured.arrays().get("probe_coordinates")).isNotNull();
  }

  @Test
  void theColoursOfPointsAndDensitiesAgree() {
    List<View> views = run(byGroup(), Probing.Config.standard()).views();
    var scatter =
        views.stream()
            .filter(View.Scatter.class::isInstance)
            .map(View.Scatter.class::cast)
            .findFirst()
            .orElseThrow();
    assertThat(scatter.groups()).containsExactly("with", "plain");
    var density =
        views.stream()
            .filter(view -> view.title().startsWith("Density"))
            .map(View.Lines.class::cast)
            .findFirst()
            .orElseThrow();
    assertThat(density.panels().getFirst().series().stream().map(View.Series::name))
        .containsExactly("with", "plain");
    for (View.Series series : density.panels().getFirst().series()) {
      double area = 0; // a density has area 1
      for (int i = 1; i < density.x().size(); i++) {
        area += series.values().at(i) * (density.x().at(i) - density.x().at(i - 1));
      }
      assertThat(area).isCloseTo(1, within(0.1));
    }
  }

  @Test
  void overlapTellsClassesApartFromClassesAlike() {
    boolean[] positive = new boolean[2000];
    double[] alike = new double[2000];
    double[] apart = new double[2000];
    var random = new Random(6);
    for (int i = 0; i < 2000; i++) {
      positive[i] = i % 2 == 0;
      alike[i] = random.nextGaussian();
      apart[i] = random.nextGaussian() + (positive[i] ? 20 : 0);
    }
    assertThat(Geometry.of(List.of(alike), positive).overlap()).isGreaterThan(0.85);
    assertThat(Geometry.of(List.of(apart), positive).overlap()).isZero();
    Geometry both = Geometry.of(List.of(alike, apart), positive);
    assertThat(both.overlap()).isZero();
    assertThat(both.overlaps()).hasSize(2);
  }

  @Test
  void keptProbesComeBackAsTheyWere(@TempDir Path folder) {
    Path file = folder.resolve("probes.safetensors");
    Probes kept = Probes.of(model, run(byGroup(), Probing.Config.standard()), "numbers.csv");
    kept.save(file);
    Probes loaded = Probes.load(file, model);
    assertThat(loaded).isEqualTo(kept);
    assertThat(loaded.card().parameters()).containsEntry("positive", "with");
    assertThat(loaded.card().data()).isEqualTo("numbers.csv");
    assertThat(loaded.at(features.slices().getFirst())).hasSize(2);
    assertThatThrownBy(() -> loaded.at(Slice.of(Kind.MLP_OUT, 0)))
        .hasMessageContaining("there is no probe of mlp_out.0");
  }

  @Test
  void probesOfHeadsAndNeuronsKeepTheirNames(@TempDir Path folder) {
    List<Features.Text> texts = data(false).texts().stream().map(Features.Text::of).toList();
    var config =
        Features.Config.of(
            List.of(
                Slice.of(Kind.Z, 1).heads(1),
                Slice.of(Kind.Z, 0).heads(0, 1),
                Slice.of(Kind.MLP_ACT, 2).neurons(3, 4, 9)));
    Path file = folder.resolve("probes.safetensors");
    try (var some = Features.of(model, NUMBERS, texts, config, _ -> {})) {
      var split = Split.random(data(false).positive(), 0.25, 1);
      var result =
          Probing.run(model, some, data(false), split, Probing.Config.standard(), () -> {});
      assertThat(result.generalisation()).isEmpty(); // they differ in width
      assertThat(Html.render(page(result))).contains("mlp_act.2.n3+n4+n9");
      Probes.of(model, result, "").save(file);
      assertThat(Probes.load(file, model).probes().keySet())
          .containsExactlyInAnyOrderElementsOf(config.slices());
    }
  }

  private static Report page(ProbingResult result) {
    return new Report(
        "t", "", List.of(), List.of(Section.of("Probes", "", result)), result.provenance());
  }

  @Test
  void probesOfAnotherModelOrWidthAreRefused(@TempDir Path folder) {
    Path file = folder.resolve("probes.safetensors");
    Probes.of(model, run(byGroup(), Probing.Config.standard()), "").save(file);
    try (var other = load("mistral")) {
      assertThatThrownBy(() -> Probes.load(file, other))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("this probe was made from");
    }
    Card card = Card.of(Probes.KIND, "x", "x", model.card().sha256().get());
    Path narrow = folder.resolve("narrow.safetensors");
    write(narrow, card, "resid_post.0", 3);
    assertThatThrownBy(() -> Probes.load(narrow, model))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining(
            "expected directions of width %d at resid_post.0 in F64, found F64 [1, 3]"
                .formatted(model.dModel()));
    Path nowhere = folder.resolve("nowhere.safetensors");
    write(nowhere, card, "resid_post.99", 3);
    assertThatThrownBy(() -> Probes.load(nowhere, model)).hasMessageContaining("resid_post.99");
    Path lens = folder.resolve("lens.safetensors");
    write(lens, Card.of("lens", "x", "x", "x"), "resid_post.0", 3);
    assertThatThrownBy(() -> Probes.load(lens, model)).hasMessageContaining("holds the lens");
    Path longer = folder.resolve("longer.safetensors");
    write(longer, card, "resid_post.0", model.dModel());
    assertThatThrownBy(() -> Probes.load(longer, model)).hasMessageContaining("has length");
  }

  /// A file with one direction of ones.
  private static void write(Path file, Card card, String name, int width) {
    var specs =
        List.of(
            TensorSpec.of(name + ".direction", TensorType.F64, 1, width),
            TensorSpec.of(name + ".scale", TensorType.F64, 1),
            TensorSpec.of(name + ".intercept", TensorType.F64, 1),
            TensorSpec.of(name + ".auc", TensorType.F64, 1));
    try (var writer = SafetensorsWriter.create(file, specs, card.toMetadata());
        var scope = Scope.open()) {
      double[] ones = new double[width];
      Arrays.fill(ones, 1);
      writer.append(name + ".direction", Tensor.of(ones, width).memory());
      for (String one : List.of(".scale", ".intercept", ".auc")) {
        writer.append(name + one, Tensor.of(new double[] {1}, 1).memory());
      }
      writer.commit();
    }
  }

  @Test
  void featuresOfOtherTextsAreRefused() {
    var few = TwoClasses.of(data(true).texts().subList(0, 40));
    var split = Split.random(few.positive(), 0.25, 1);
    assertThatThrownBy(
            () -> Probing.run(model, features, few, split, Probing.Config.standard(), () -> {}))
        .hasMessageContaining("features of 240 texts for 40 labelled ones");
  }
}
