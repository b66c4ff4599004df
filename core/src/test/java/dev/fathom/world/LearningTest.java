package dev.fathom.world;

import static java.util.stream.Collectors.counting;
import static java.util.stream.Collectors.groupingBy;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.model.Transformer;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Threads;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import dev.fathom.view.View;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What few numbers can teach the bundled model, with few facts.
class LearningTest {
  private static final World WORLD = World.load();

  @TempDir private static Path cache;

  @SuppressWarnings("NullAway.Init") // before all tests
  private static Transformer model;

  @SuppressWarnings("NullAway.Init") // before all tests
  private static Tokenizer tokenizer;

  @TempDir private Path folder;

  @BeforeAll
  static void load() {
    Threads.set(1); // more only wait for each other over products this small
    model = Models.load(Bundled.TIDEPOOL.open(cache), DType.F32);
    tokenizer = Tokenizers.load(Bundled.TIDEPOOL.directory(cache));
  }

  @AfterAll
  static void close() {
    model.close();
  }

  @Test
  void newFactsAreDrawnEvenlyAndAreOthersForEachSeed() {
    List<Fact> facts = NewRelation.facts(WORLD, 48, 1);
    assertThat(facts).isEqualTo(NewRelation.facts(WORLD, 48, 1));
    assertThat(facts).doesNotContainAnyElementsOf(WORLD.facts());
    assertThat(facts.stream().map(Fact::subject)).doesNotHaveDuplicates();
    Map<String, Long> counts = facts.stream().collect(groupingBy(Fact::object, counting()));
    assertThat(counts).hasSize(12).allSatisfy((animal, n) -> assertThat(n).isEqualTo(4));
    assertThat(NewRelation.facts(WORLD, 48, 2)).isNotEqualTo(facts);
    assertThatThrownBy(() -> NewRelation.facts(WORLD, 1000, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("found 1000");
  }

  @Test
  void whatIsAskedOtherwiseIsNeverTold() {
    var lessons = List.of(NewRelation.lesson(WORLD, 48, 1), NewWording.lesson(WORLD, 48, 1));
    for (Lesson lesson : lessons) {
      List<String> told = lesson.told().stream().map(Cloze::prompt).toList();
      assertThat(lesson.otherwise().stream().map(Cloze::prompt)).doesNotContainAnyElementsOf(told);
      assertThat(told).containsAll(lesson.again().stream().map(Cloze::prompt).toList());
      for (Cloze cloze : lesson.told()) {
        assertThat(tokenizer.encode(cloze.prompt() + cloze.answer()).ids())
            .as("one token: " + cloze.text())
            .hasSize(tokenizer.encode(cloze.prompt()).ids().length + 1);
      }
    }
  }

  /// Weights on a fine grid find no mixture that the search does not know of, and where it says
  /// that there is one, the best of the grid is not clearly behind.
  @Test
  void theSearchForAMixtureAgreesWithAGrid() {
    var random = new Random(5);
    int mixed = 0;
    for (int trial = 0; trial < 200; trial++) {
      double[][] margins = new double[3 + trial % 5][3];
      for (double[] margin : margins) {
        for (int i = 0; i < 3; i++) {
          margin[i] = random.nextGaussian() + 0.4;
        }
      }
      double best = Double.NEGATIVE_INFINITY;
      for (int a = 0; a <= 60; a++) {
        for (int b = 0; a + b <= 60; b++) {
          double least = Double.POSITIVE_INFINITY;
          for (double[] margin : margins) {
            least =
                Math.min(least, (a * margin[0] + b * margin[1] + (60 - a - b) * margin[2]) / 60);
          }
          best = Math.max(best, least);
        }
      }
      boolean found = LensReach.mixes(margins);
      mixed += found ? 1 : 0;
      if (best > 0) {
        assertThat(found).as("trial " + trial).isTrue();
      }
      if (best < -0.15) {
        assertThat(found).as("trial " + trial).isFalse();
      }
    }
    assertThat(mixed).isBetween(40, 180);
  }

  @Test
  void lateLayersHoldKnownFactsInNewWordsAndNoNewFacts() {
    List<LensReach> known =
        LensReach.of(model, tokenizer, NewWording.lesson(WORLD, 16, 1).otherwise());
    List<LensReach> fresh =
        LensReach.of(model, tokenizer, NewRelation.lesson(WORLD, 32, 1).otherwise());
    assertThat(known).hasSize(model.layers());
    assertThat(known.getLast().lens().value()).isGreaterThan(0.8);
    assertThat(fresh.getLast().mixture().value()).isLessThan(0.1);
    for (List<LensReach> reach : List.of(known, fresh)) {
      for (int k = 1; k < reach.size(); k++) {
        assertThat(reach.get(k).inLens()).isGreaterThanOrEqualTo(reach.get(k - 1).inLens());
        assertThat(reach.get(k).inMixture()).isGreaterThanOrEqualTo(reach.get(k).inLens());
        assertThat(reach.get(k).inLensAmong()).isGreaterThanOrEqualTo(reach.get(k).inLens());
        assertThat(reach.get(k).rank()).isLessThanOrEqualTo(reach.get(k - 1).rank());
      }
      int alone = reach.getFirst().inLens();
      assertThat(reach.getFirst().inMixture()).as("one layer is no mixture").isEqualTo(alone);
    }
  }

  private static Learner learner(String name) {
    return Learner.all(model).stream()
        .filter(learner -> learner.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  /// The study's two findings: a mixture learns to say what late layers hold, and nothing else;
  /// steps learn both.
  @Test
  void aMixtureLearnsAWordingButNoFactsAndStepsLearnBoth() throws IOException {
    var config =
        Learning.Config.standard(model)
            .withFacts(12)
            .withOld(40)
            .withSeeds(1)
            .withLearners(
                List.of(
                    learner("LoRA").with("LoRA", 5e-3, 20), // few facts make few steps
                    learner("MoD of all layers")));
    LearningResult result = Learning.run(model, tokenizer, WORLD, config, folder);
    LearningResult.Taught facts = result.lesson(NewRelation.NAME);
    LearningResult.Taught wording = result.lesson(NewWording.NAME);
    var lora = facts.of("LoRA");
    var mod = facts.of("MoD of all layers");
    assertThat(facts.base().share(LearningResult.Exam::again).hits()).isZero();
    assertThat(lora.share(LearningResult.Exam::again).value()).isGreaterThan(0.8);
    assertThat(lora.share(LearningResult.Exam::otherwise).value()).isGreaterThan(0.5);
    assertThat(facts.recovered(mod).value()).isLessThan(0.5);
    assertThat(facts.recovered(lora).value()).isEqualTo(1);
    assertThat(wording.recovered(wording.of("MoD of all layers")).value()).isGreaterThan(0.5);
    assertThat(mod.numbers()).isLessThanOrEqualTo((long) (Learning.FEW * result.parameters()));
    assertThat(result.bestAlone(facts).orElseThrow().learner()).isEqualTo("MoD of all layers");

    var told = new ArrayList<String>();
    LearningResult again =
        Learning.run(model, tokenizer, WORLD, config.telling((what, _) -> told.add(what)), folder);
    assertThat(again.lessons()).isEqualTo(result.lessons());
    assertThat(told).hasSize(6);
    try (Stream<Path> files = Files.list(folder)) {
      assertThat(files.filter(Files::isDirectory)).as("states of trainings").isEmpty();
    }
    assertThatThrownBy(() -> Learning.run(model, tokenizer, WORLD, config.withFacts(16), folder))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("facts = 12");
    assertThatThrownBy(() -> Learning.run(model, tokenizer, WORLD, config.withEpochs(2), folder))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("holds what LoRA learnt as");

    String text = Terminal.render(result.views().getFirst(), TerminalStyle.plain());
    assertThat(text).contains("animals", "wording", "is not met");
    assertThat(result.views())
        .hasAtLeastOneElementOfType(View.Table.class)
        .hasAtLeastOneElementOfType(View.Ranking.class)
        .hasAtLeastOneElementOfType(View.Lines.class);
    assertThat(Objects.requireNonNull(result.arrays().get("animals_told")).axis(0).size())
        .isEqualTo(3);
  }

  @Test
  void aShareOfTheGainIsCountedFromTheQuestionsNotTold() {
    var base = new LearningResult.Exams("base", List.of(exam("00001", "1100")));
    var first = new LearningResult.Exams("first", List.of(exam("11111", "1000")));
    var other = new LearningResult.Exams("other", List.of(exam("00111", "0111")));
    var taught = new LearningResult.Taught("animals", List.of(base, first, other), List.of());
    assertThat(taught.recovered(other).value()).isCloseTo(0.5, within(1e-12));
    assertThat(taught.recovered(other).low()).isLessThan(0.5);
    assertThat(taught.recovered(other).high()).isGreaterThan(0.5);
    assertThat(taught.kept(first).value()).isEqualTo(0.5);
    assertThat(taught.kept(other)).isEqualTo(new dev.fathom.evaluate.Share(1, 2));
  }

  private static LearningResult.Exam exam(String otherwise, String old) {
    return new LearningResult.Exam("1", otherwise, old, 0, 0, 0);
  }
}
