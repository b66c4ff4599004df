package dev.fathom.refine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.data.Prompt;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generator;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Numbers;
import dev.fathom.model.TinyModels;
import dev.fathom.refine.ConfidenceExit.Measure;
import dev.fathom.refine.ConfidenceExit.Rule;
import dev.fathom.render.Json;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.text.Tokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class ExitReportTest {
  private static final Tokenizer TOKENIZER = new Numbers(TinyModels.VOCABULARY);
  private static final List<Prompt> PROMPTS =
      List.of(
          Prompt.ofIds(TOKENIZER, new int[] {1, 7, 3, 9}), Prompt.ofIds(TOKENIZER, new int[] {4}));
  private static final ExitReport.Config TEN = new ExitReport.Config(10, Set.of());

  private static ExitReport report(EarlyExit model) {
    return ExitReport.run(model, TOKENIZER, PROMPTS, TEN, _ -> {});
  }

  @Test
  void aModelThatNeverLeavesSavesNothingAndSaysTheSame() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var never = ConfidenceExit.of(tiny.model(), new Rule(Measure.MAX_PROBABILITY, 2, 1));
      var done = new AtomicInteger();
      var report = ExitReport.run(never, TOKENIZER, PROMPTS, TEN, done::addAndGet);
      assertThat(done).hasValue(2);
      assertThat(report.tokens()).isEqualTo(20);
      assertThat(report.agreement()).isEqualTo(1);
      assertThat(report.blocksToExit()).isEqualTo(3);
      assertThat(report.blocksRun()).isEqualTo(3);
      assertThat(report.heads()).isEqualTo(3);
      assertThat(report.routes()).isZero();
      assertThat(report.bound()).isEqualTo(3);
      assertThat(report.exactAgreement()).isEmpty();
      assertThat(report.exits().integers()).containsExactly(0, 0, 0, 20);
    }
  }

  @Test
  void aMixtureThatLeavesEarlyIsCounted() {
    try (var tiny = TinyModels.gpt2(DType.F32);
        var scope = Scope.withoutGradients()) {
      Mod mod = Mixtures.random(tiny.model(), Mod.Config.dense(2).withTopK(1), 3);
      var mixture = MixtureModel.of(tiny.model(), mod);
      var report = report(mixture.with(Exit.EXACT));
      long[] exits = report.exits().integers();
      assertThat(exits[2] + exits[3]).isEqualTo(20);
      assertThat(exits[2]).isPositive();
      assertThat(report.blocksToExit())
          .isCloseTo((2 * exits[2] + 3 * exits[3]) / 20.0, within(1e-12));
      assertThat(report.blocksRun()).isBetween(2.0, 3.0);
      assertThat(report.routes()).isEqualTo(1);
      assertThat(report.heads()).isEqualTo(1);
      assertThat(report.bound()).isEqualTo(1.5);
      assertThat(report.early().token().mean()).isPositive();
      assertThat(report.full().token().mean()).isPositive();
      assertThat(report.texts()).hasSize(2);
      assertThat(report.texts().getFirst().exits()).hasSize(10).containsOnly(2, 3);
      assertThat(report.provenance().parameters())
          .containsEntry("mode", "exact")
          .containsEntry("routes", "1");
      // it agrees where the full model, reading the same text, says the same
      long same = 0;
      for (Prompt prompt : PROMPTS) {
        List<Integer> said = Generator.of(mixture).run(prompt.ids(), Decoding.greedy(10)).tokens();
        int[] ids = prompt.ids();
        for (int token : said) {
          same += best(tiny.model(), ids) == token ? 1 : 0;
          ids = Arrays.copyOf(ids, ids.length + 1);
          ids[ids.length - 1] = token;
        }
      }
      assertThat(report.agreement()).isCloseTo(same / 20.0, within(1e-12));
    }
  }

  private static int best(LanguageModel model, int[] ids) {
    return (int) Mixtures.logits(model, ids).select(0, ids.length - 1).argmax(-1).toLongs()[0];
  }

  @Test
  void propagatingIsComparedWithMakingUpForWhatWasSkipped() {
    try (var tiny = TinyModels.llama(DType.F32);
        var scope = Scope.withoutGradients()) {
      Mod mod = Mixtures.random(tiny.model(), Mod.Config.dense(3).withTopK(1), 6);
      var report = report(MixtureModel.of(tiny.model(), mod).with(Exit.PROPAGATE));
      assertThat(report.exactAgreement()).isPresent();
      assertThat(report.exactAgreement().getAsDouble()).isBetween(0.0, 1.0);
    }
  }

  @Test
  void rowsOfABatchSayWhatTheySayAlone() {
    try (var tiny = TinyModels.gpt2(DType.F32);
        var scope = Scope.withoutGradients()) {
      Mod mod = Mixtures.random(tiny.model(), Mod.Config.dense(2).withTopK(1), 3);
      for (Exit exit : Exit.values()) {
        var mixture = MixtureModel.of(tiny.model(), mod).with(exit);
        var together = new ExitReport.Config(10, Set.of(), 2);
        var report = ExitReport.run(mixture, TOKENIZER, PROMPTS, together, _ -> {});
        var alone = report(mixture);
        assertThat(report.tokens()).isEqualTo(alone.tokens());
        assertThat(report.exits()).isEqualTo(alone.exits());
        assertThat(report.agreement()).isEqualTo(alone.agreement());
        assertThat(report.texts()).isEmpty();
      }
    }
  }

  @Test
  void aMixtureIsComparedWithWhateverElseSpeaks() {
    try (var tiny = TinyModels.llama(DType.F32);
        var scope = Scope.withoutGradients()) {
      var dense =
          MixtureModel.of(tiny.model(), Mixtures.random(tiny.model(), Mod.Config.dense(3), 6));
      var itself = ExitReport.run(dense, dense, "same mixture", TOKENIZER, PROMPTS, TEN, _ -> {});
      assertThat(itself.agreement()).isEqualTo(1);
      assertThat(Json.render(itself)).contains("what the same mixture would say");
      assertThat(report(dense).agreement()).isLessThan(1);
    }
  }

  @Test
  void itIsShownInEveryForm() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var rule = new Rule(Measure.ENTROPY, 100, 2);
      var report = report(ConfidenceExit.of(tiny.model(), rule));
      String json = Json.render(report);
      assertThat(json).contains("Where tokens are settled", "3 / 2 = 1.50", "min_layer");
      assertThat(report.arrays()).containsKey("exits");
    }
  }

  @Test
  void aTextEndsAtItsEnd() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var model = ConfidenceExit.of(tiny.model(), new Rule(Measure.MARGIN, 0, 2));
      int[] prompt = PROMPTS.getFirst().ids();
      List<Integer> said = Generator.of(model).run(prompt, Decoding.greedy(10)).tokens();
      var config = new ExitReport.Config(10, Set.of(said.get(3)));
      var report = ExitReport.run(model, TOKENIZER, PROMPTS.subList(0, 1), config, _ -> {});
      assertThat(report.tokens()).isEqualTo(said.indexOf(said.get(3)) + 1);
    }
  }

  @Test
  void oneTokenHasNoSpeed() {
    assertThatThrownBy(() -> new ExitReport.Config(1, Set.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("at least 2");
    assertThatThrownBy(() -> new ExitReport.Config(2, Set.of(7), 2))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("several that go on alike");
  }
}
