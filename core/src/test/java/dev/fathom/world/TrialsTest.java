package dev.fathom.world;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Threads;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The methods find what is known of the bundled model. With fewer subsets than the command takes;
/// facts and stories are the first of its own.
class TrialsTest {
  private static final Trials.Config CONFIG =
      Trials.Config.standard().withFacts(24).withStories(24).withSamples(10, 128);

  private static final World WORLD = World.load();

  @TempDir private static Path cache;

  @SuppressWarnings("NullAway.Init") // before all tests
  private static Transformer model;

  @SuppressWarnings("NullAway.Init") // before all tests
  private static Tokenizer tokenizer;

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

  /// On the subject for at least 20 facts, and by more than chance can explain.
  private static void findsTheSubject(FactTrial trial) {
    assertThat(trial.share().hits()).as(trial.name()).isGreaterThanOrEqualTo(20);
    assertThat(trial.share().low()).isGreaterThan(trial.chance() + 0.2);
    assertThat(trial.gap().low()).isGreaterThan(0);
  }

  @Test
  void causalTracingFindsTheSubject() {
    findsTheSubject(Trials.tracing(model, tokenizer, WORLD, CONFIG));
  }

  @Test
  void ablationFindsTheSubject() {
    findsTheSubject(Trials.ablation(model, tokenizer, WORLD, CONFIG.withFacts(28)));
  }

  private static void putTheDecisiveTokenFirst(List<FactTrial> trials) {
    assertThat(trials).hasSize(2);
    for (FactTrial trial : trials) {
      assertThat(trial.share().value()).as(trial.name()).isGreaterThanOrEqualTo(0.9);
      assertThat(trial.share().low()).isGreaterThan(trial.chance() + 0.1);
    }
  }

  @Test
  void integratedGradientsAndShapleyValuesPutTheSubjectFirst() {
    putTheDecisiveTokenFirst(Trials.attribution(model, tokenizer, WORLD, CONFIG.withFacts(20)));
  }

  @Test
  void integratedGradientsAndShapleyValuesPutTheReceiverFirst() {
    putTheDecisiveTokenFirst(Trials.stories(model, tokenizer, WORLD, CONFIG.withStories(8)));
  }

  /// Random heads would have 0.2 of 3 and 0.5 of 5 in common.
  @Test
  void ablationAndPathPatchingNameTheSameHeads() {
    NameMovers movers = Trials.nameMovers(model, tokenizer, WORLD, CONFIG);
    assertThat(movers.overlap(3)).isGreaterThanOrEqualTo(2);
    assertThat(movers.overlap(5)).isGreaterThanOrEqualTo(3);
    assertThat(movers.correlation()).isGreaterThan(0.5);
    for (var knockout : movers.knockouts()) {
      assertThat(knockout.found().low()).isGreaterThan(knockout.random().high());
    }
  }
}
