package dev.fathom.concepts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.References;
import dev.fathom.align.probe.Features;
import dev.fathom.arch.Models;
import dev.fathom.concepts.Dictionary.Measure;
import dev.fathom.data.Concept;
import dev.fathom.evaluate.Quantiles;
import dev.fathom.model.Kind;
import dev.fathom.model.Numbers;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class CompilationTest {
  private static final Numbers NUMBERS = new Numbers(1000);
  private static final String TEMPLATE = "7 8 9 {concept} 5 {stimulus} 6";

  private static Transformer model;

  @TempDir private Path folder;

  @BeforeAll
  static void load() {
    Threads.set(1);
    model = load("llama");
  }

  private static Transformer load(String family) {
    return Models.load(References.path("checkpoints/" + family), DType.F32);
  }

  @AfterAll
  static void close() {
    model.close();
  }

  /// Concepts 40 to 47, each of texts in which a number of its own is frequent.
  private static List<Concept> concepts() {
    var random = new Random(3);
    return IntStream.range(0, 8)
        .mapToObj(c ->
            new Concept(
                Integer.toString(40 + c),
                c < 6 ? Optional.of("group " + c / 3) : Optional.empty(),
                IntStream.range(0, 10 + c)
                    .mapToObj(_ ->
                        IntStream.range(0, 4 + random.nextInt(4))
                            .map(_ -> random.nextBoolean() ? 20 + c : 10 + random.nextInt(40))
                            .mapToObj(Integer::toString)
                            .collect(Collectors.joining(" ")))
                    .toList()))
        .toList();
  }

  private static Compilation.Config config() {
    return Compilation.Config.standard(model).withTemplate(TEMPLATE);
  }

  private Dictionary compiled(String name, List<Concept> concepts, Compilation.Config config) {
    return compiled(name, concepts, concepts(), config);
  }

  private Dictionary compiled(
      String name, List<Concept> concepts, List<Concept> others, Compilation.Config config) {
    Path own = folder.resolve(name);
    Compilation.run(model, NUMBERS, concepts, others, config, own, _ -> {});
    return Dictionary.open(own);
  }

  private static void assertSame(
      Dictionary found, Dictionary expected, List<Concept> of, double tolerance) {
    for (int layer : expected.layers()) {
      for (Concept concept : of) {
        assertThat(found.direction(layer, concept.name()))
            .containsExactly(expected.direction(layer, concept.name()), within(tolerance));
        for (Measure measure :
            List.of(Measure.AUC, Measure.STABILITY, Measure.EXPLAINED, Measure.SPREAD)) {
          assertThat(found.measured(layer, measure)[found.place(concept.name())])
              .as("%s of %s", measure, concept.name())
              .isCloseTo(
                  expected.measured(layer, measure)[expected.place(concept.name())],
                  within(100 * tolerance));
        }
      }
    }
  }

  @Test
  void aDirectionIsWhatAReadingOfTheTextsOneByOneGives() {
    var config = config();
    try (var dictionary = compiled("a", concepts(), config)) {
      assertThat(dictionary.layers()).isEqualTo(config.layers());
      assertThat(dictionary.groups()).containsOnlyKeys("group 0", "group 1");
      for (Concept concept : List.of(concepts().get(1), concepts().get(7))) {
        Prompts prompts = Prompts.of(concept, concepts(), config);
        assertThat(prompts.held()).isBetween(2, 4);
        for (int layer : config.layers()) {
          try (var scope = Scope.withoutGradients()) {
            int n = prompts.with().size();
            int held = prompts.held();
            Tensor with = alone(prompts.with().subList(held, n), layer);
            Tensor without = alone(prompts.without().subList(held, n), layer);
            long seed = config.seed() * 31 + concept.name().hashCode();
            var expected = Reading.PCA.of(with, without, seed);
            assertThat(dictionary.direction(layer, concept.name()))
                .containsExactly(expected.direction(), within(1e-4));
            assertThat(
                    dictionary.means(layer).select(0, dictionary.place(concept.name())).toDoubles())
                .containsExactly(
                    Tensor.cat(List.of(with, without), 0).mean(0, false).toDoubles(), within(1e-4));
          }
        }
      }
    }
  }

  private static Tensor alone(List<String> texts, int layer) {
    var slice = Slice.of(Kind.RESID_POST, layer);
    var config = Features.Config.of(List.of(slice)).with(Features.Reduction.LAST).tokensAtOnce(1);
    var rows = new ArrayList<double[]>();
    for (String text : texts) {
      try (var features =
          Features.of(model, NUMBERS, List.of(Features.Text.of(text)), config, _ -> {})) {
        rows.add(features.at(slice).toDoubles());
      }
    }
    return Tensor.ofRows(rows);
  }

  @Test
  void whatIsLearntFromIsNeverTried() {
    var config = config().withTemplate("{stimulus}");
    var learnt = new HashSet<String>();
    var tried = new HashSet<String>();
    for (Concept concept : concepts()) {
      Prompts prompts = Prompts.of(concept, concepts(), config);
      int held = prompts.held();
      assertThat(prompts.without()).hasSameSizeAs(prompts.with());
      assertThat(prompts.with()).hasSize((int) concept.stimuli().stream().distinct().count());
      for (List<String> side : List.of(prompts.with(), prompts.without())) {
        tried.addAll(side.subList(0, held));
        learnt.addAll(side.subList(held, side.size()));
      }
    }
    assertThat(tried).doesNotContainAnyElementsOf(learnt);
  }

  @Test
  void filesOfOthersAreLeft() throws IOException {
    Path own = folder.resolve("a/.parts/mine.txt");
    Files.createDirectories(own.getParent());
    Files.writeString(own, "mine");
    compiled("a", concepts(), config()).close();
    assertThat(own).hasContent("mine");
    assertThat(own.getParent()).isDirectoryContaining(path -> path.equals(own));
    try (Stream<Path> files = Files.list(own.getParent())) {
      assertThat(files).containsExactly(own);
    }
  }

  @Test
  void randomDirectionsAreNoBetterThanChance() {
    try (var dictionary = compiled("a", concepts(), config().with(Reading.RANDOM))) {
      for (int layer : dictionary.layers()) {
        for (double stability : dictionary.measured(layer, Measure.STABILITY)) {
          assertThat(Math.abs(stability)).isLessThan(0.9);
        }
        double[] auc = dictionary.measured(layer, Measure.AUC);
        assertThat(dictionary.measured(layer, Measure.SHUFFLED)).isNotEqualTo(auc);
      }
    }
  }

  @Test
  void otherConceptsAreWrittenIntoTheSameTemplate() {
    Prompts same = Prompts.of(concepts().getFirst(), concepts(), config());
    assertThat(same.with()).allMatch(text -> text.startsWith("7 8 9 40 5 "));
    assertThat(same.without()).allMatch(text -> text.startsWith("7 8 9 40 5 "));
    assertThat(same.without()).hasSameSizeAs(same.with()).doesNotContainAnyElementsOf(same.with());
    Prompts own =
        Prompts.of(concepts().getFirst(), concepts(), config().with(Compilation.Naming.OWN));
    assertThat(own.without()).noneMatch(text -> text.startsWith("7 8 9 40 5 "));
    var near =
        Prompts.of(concepts().getFirst(), concepts(), config().with(Compilation.Against.GROUP));
    var neighbours =
        concepts().subList(1, 3).stream()
            .flatMap(concept -> concept.stimuli().stream())
            .map(stimulus -> "7 8 9 40 5 %s 6".formatted(stimulus))
            .toList();
    assertThat(near.without()).isSubsetOf(neighbours);
  }

  @ParameterizedTest
  @EnumSource(Reading.class)
  void orderOfTextsAndConceptsAndSizeOfPassesDoNotMatter(Reading reading) {
    var turned = new ArrayList<Concept>();
    for (Concept concept : concepts()) {
      var stimuli = new ArrayList<>(concept.stimuli());
      Collections.reverse(stimuli);
      turned.add(new Concept(concept.name(), concept.group(), stimuli));
    }
    var small =
        new Compilation.Config(
            Kind.RESID_POST,
            config().layers(),
            reading,
            Compilation.Naming.SAME,
            Compilation.Against.ALL,
            TEMPLATE,
            0.2,
            42,
            40);
    try (var expected = compiled("a", concepts(), config().with(reading));
        var found = compiled("b", turned.reversed(), concepts(), small)) {
      assertSame(found, expected, concepts(), 1e-4);
    }
  }

  @Test
  void addedConceptsLeaveOthersAsTheyAre() {
    List<Concept> all = concepts();
    try (var expected = compiled("a", all, config())) {
      compiled("b", all.subList(0, 5), config()).close();
      try (var found = compiled("b", all, config())) {
        assertThat(found.entries()).isEqualTo(expected.entries());
        assertSame(found, expected, all, 1e-6);
        for (int layer : found.layers()) {
          assertThat(found.measured(layer, Measure.RANK)[0]).isNaN(); // it was among fewer
          assertThat(found.measured(layer, Measure.RANK)[7])
              .isCloseTo(expected.measured(layer, Measure.RANK)[7], within(1e-6));
        }
        assertThat(found.files()).hasSize(found.layers().size());
        assertThat(filesIn("b")).hasSize(found.layers().size() + 1);
      }
    }
  }

  private List<Path> filesIn(String name) {
    try (Stream<Path> files = Files.list(folder.resolve(name))) {
      return files.toList();
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void aKilledRunGoesOnToTheSameNumbers() {
    List<Concept> all = concepts();
    Path killed = folder.resolve("killed");
    assertThatThrownBy(() ->
            Compilation.run(
                model,
                NUMBERS,
                all,
                all,
                config(),
                killed,
                done -> {
                  if (done > 0) {
                    throw new IllegalStateException("killed");
                  }
                }))
        .hasMessage("killed");
    assertThat(Dictionary.isAt(killed)).isFalse();
    assertThat(filesIn("killed")).containsExactly(killed.resolve(".parts"));
    try (var expected = compiled("a", all, config());
        var found = compiled("killed", all, config())) {
      assertSame(found, expected, all, 1e-6);
      assertThat(killed.resolve(".parts")).doesNotExist();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"bert_mlm", "gpt2"})
  void otherFamiliesAndSitesAreRead(String family) {
    try (var other = load(family)) {
      var config =
          Compilation.Config.standard(other)
              .withTemplate("{stimulus}")
              .with(Kind.Z)
              .withLayers(List.of(1));
      Path own = folder.resolve(family);
      Compilation.run(other, NUMBERS, concepts(), concepts(), config, own, _ -> {});
      try (var dictionary = Dictionary.open(own)) {
        assertThat(dictionary.site()).isEqualTo(Kind.Z);
        for (Concept concept : concepts()) {
          double[] direction = dictionary.direction(1, concept.name());
          double square = 0;
          for (double x : direction) {
            square += x * x;
          }
          assertThat(square).isCloseTo(1, within(1e-6));
        }
      }
    }
  }

  @Test
  void directionsTellHeldOutTextsAndShuffledOnesDoNot() {
    var many = new ArrayList<Concept>();
    var random = new Random(9);
    for (Concept concept : concepts()) {
      int own = Integer.parseInt(concept.name()) - 20;
      many.add(
          Concept.of(
              concept.name(),
              IntStream.range(0, 60)
                  .mapToObj(_ -> "%d %d %2$d %2$d".formatted(10 + random.nextInt(40), own))
                  .toList()));
    }
    var config = config().withTemplate("{stimulus}").with(Reading.MEAN_DIFFERENCE);
    try (var dictionary = compiled("a", many, many, config)) {
      int layer = dictionary.layers().getFirst();
      assertThat(Quantiles.median(dictionary.measured(layer, Measure.AUC))).isGreaterThan(0.95);
      assertThat(Quantiles.median(dictionary.measured(layer, Measure.SHUFFLED)))
          .isBetween(0.2, 0.8);
      assertThat(Quantiles.median(dictionary.measured(layer, Measure.STABILITY)))
          .isGreaterThan(0.7);
      assertThat(Quantiles.median(dictionary.measured(layer, Measure.TOP1))).isGreaterThan(0.9);
    }
  }

  @Test
  void whatCannotBeReadIsRefused() {
    List<Concept> all = concepts();
    assertThatThrownBy(() -> compiled("a", List.of(all.get(0), all.get(0)), config()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("two concepts are called '40': give each a name of its own");
    assertThatThrownBy(() -> compiled("a", all.subList(0, 1), all.subList(0, 1), config()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("is read against texts about other concepts");
    assertThatThrownBy(() -> config().withTemplate("about {concept}"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("write {stimulus} where it goes");
    assertThatThrownBy(() -> config().with(Kind.PATTERN))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(folder).isEmptyDirectory();
    compiled("a", all, config()).close();
    assertThatThrownBy(() -> compiled("a", all, config().withSeed(1)))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("was made with another seed (42) than is asked for (1)");
    assertThatThrownBy(() -> compiled("a", all, config().withLayers(List.of(0))))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("another layers");
    try (var other = load("gpt2")) {
      assertThatThrownBy(() ->
              Compilation.run(
                  other,
                  NUMBERS,
                  all,
                  all,
                  Compilation.Config.standard(other).withTemplate(TEMPLATE),
                  folder.resolve("a"),
                  _ -> {}))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("was made from");
    }
  }
}
