package dev.fathom.explain.parts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.lens.LensResult;
import dev.fathom.explain.lens.LogitLens;
import dev.fathom.explain.parts.TokenDecomposition.Bias;
import dev.fathom.explain.parts.TokenDecomposition.Config;
import dev.fathom.explain.parts.TokenDecomposition.Gated;
import dev.fathom.model.Activation;
import dev.fathom.model.Head;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Norm;
import dev.fathom.model.Numbers;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.Extra;
import dev.fathom.model.TinyModels.MlpKind;
import dev.fathom.model.TinyModels.Order;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class TokenDecompositionTest {
  private static final int LENGTH = 6;
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);

  static Stream<Variant> variants() {
    return TinyModels.some(DType.F64).stream();
  }

  private static Question question(Transformer model, int length) {
    var prompt = Prompt.ofIds(NUMBERS, TinyModel.idArray(length, 5));
    return Question.of(prompt, 7).at(model.card().causal() ? length - 1 : length / 2);
  }

  private static boolean hasPositions(Transformer model) {
    return model.embedding().positions() != null || model.embedding().tokenType() != null;
  }

  @ParameterizedTest
  @MethodSource("variants")
  void thePartsSumToTheStreamAfterEveryBlock(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      int[] ids = TinyModel.idArray(LENGTH, 5);
      for (Bias bias : Bias.values()) {
        Gated gated = Gated.values()[bias.ordinal() % 3];
        boolean slot = hasPositions(model) && bias.ordinal() % 2 == 1;
        var run = FrozenRun.whole(model, ids);
        var parts = new TokenParts(model, run, gated, bias, slot);
        assertThat(parts.gap(run.stream(), 0, LENGTH)).isLessThan(1e-10);
        for (int layer = 0; layer < model.layers(); layer++) {
          parts.through(run.next());
          assertThat(parts.gap(run.stream(), 0, LENGTH))
              .as("%s, %s, after block %d", gated, bias, layer)
              .isLessThan(1e-10);
          if (model.card().causal()) {
            noTokenReachesBack(parts);
          }
          if (bias != Bias.SEPARATE) {
            assertThat(parts.all().select(1, 0).abs().max().item()).isZero();
          }
        }
      }
    }
  }

  private static void noTokenReachesBack(TokenParts parts) {
    for (int i = 0; i < LENGTH - 1; i++) {
      Tensor later = parts.all().select(0, i).narrow(0, parts.extra() + i + 1L, LENGTH - 1L - i);
      assertThat(later.abs().max().item()).isZero();
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void frozenReadingsSumToTheLogit(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      Question question = question(model, LENGTH);
      Tensor logits =
          model
              .forward(Tensor.of(question.prompt().ids(), LENGTH), Pass.over(Layout.single(LENGTH)))
              .select(0, question.position());
      for (Bias bias : List.of(Bias.SEPARATE, Bias.ABSDOT)) {
        var result = TokenDecomposition.run(model, NUMBERS, question, Config.standard().with(bias));
        double sum = 0;
        for (int slot = 0; slot < result.frozen().shape()[1]; slot++) {
          sum += result.score(slot);
        }
        assertThat(sum).isCloseTo(result.logit(), Offset.offset(1e-4)); // grids are floats
        double capped =
            model
                .head()
                .shaped(Tensor.of(new double[] {unscaled(model, result.logit())}, 1))
                .item();
        assertThat(capped)
            .isCloseTo(logits.select(0, question.target()).item(), Offset.offset(1e-9));
        assertThat(result.gap()).isLessThan(1e-10);
      }
      var foiled = question.withFoil(11).measuredBy(Metric.LOGIT_DIFFERENCE);
      var difference = TokenDecomposition.run(model, NUMBERS, foiled, Config.standard());
      var target = TokenDecomposition.run(model, NUMBERS, question, Config.standard());
      var foil =
          TokenDecomposition.run(
              model,
              NUMBERS,
              Question.of(question.prompt(), 11).at(question.position()),
              Config.standard());
      for (int slot = 0; slot < LENGTH; slot++) {
        assertThat(difference.score(slot))
            .isCloseTo(target.score(slot) - foil.score(slot), Offset.offset(1e-4));
      }
    }
  }

  /// What [dev.fathom.model.Head#shaped] scales again.
  private static double unscaled(Transformer model, double logit) {
    return model.head() instanceof Head.Unembedding h ? logit / h.scale() : logit;
  }

  @ParameterizedTest
  @MethodSource("variants")
  void oneBackwardPassFindsTheSameScores(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      Question question = question(model, LENGTH);
      for (Gated gated : Gated.values()) {
        var whole = TokenDecomposition.run(model, NUMBERS, question, Config.standard().with(gated));
        float[] scores =
            TokenDecomposition.scores(model, NUMBERS, question, gated).scores().values();
        assertThat(scores).hasSize(model.card().causal() ? question.position() + 1 : LENGTH);
        for (int k = 0; k < scores.length; k++) {
          assertThat((double) scores[k])
              .isCloseTo(whole.score(k), Offset.offset(1e-5 * Math.max(1, Math.abs(scores[k]))));
        }
      }
    }
  }

  static Stream<Variant> variantsTapsCanFreeze() {
    return TinyModels.some(DType.F64).stream()
        .filter(v -> v.order() == Order.SEQUENTIAL || v.order() == Order.PARALLEL)
        .filter(v -> v.mlp() != MlpKind.GELU && !v.has(Extra.EMBED_NORM));
  }

  /// An oracle that shares no code: the model's own forward pass, in which taps hold divisors,
  /// patterns and gates fixed (the slope of a ReLU is its derivative), and its gradient.
  @ParameterizedTest
  @MethodSource("variantsTapsCanFreeze")
  void scoresAreTheGradientOfTheModelWithFixedDivisorsPatternsAndGates(Variant variant) {
    try (var scope = Scope.withGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      Question question = question(model, LENGTH);
      Tensor ids = Tensor.of(question.prompt().ids(), LENGTH);
      var sites = new TreeSet<Site>();
      Site start = Site.of(Kind.RESID_PRE, 0);
      sites.add(start);
      sites.add(Site.of(Kind.NORM_SCALE_FINAL));
      for (int layer = 0; layer < model.layers(); layer++) {
        sites.add(Site.of(Kind.NORM_SCALE_ATTN, layer));
        sites.add(Site.of(Kind.NORM_SCALE_MLP, layer));
        sites.add(Site.of(Kind.PATTERN, layer));
        if (variant.mlp() == MlpKind.SILU_GATED) {
          sites.add(Site.of(Kind.MLP_GATE, layer));
        }
      }
      var values = new HashMap<Site, Tensor>();
      model.forward(
          ids,
          Pass.over(Layout.single(LENGTH))
              .with(Taps.capture(sites, (site, value, _) -> values.put(site, scope.keep(value)))));
      Tensor leaf = Objects.requireNonNull(values.get(start)).detach().copy().requireGradient();
      values.replaceAll((site, value) -> site.equals(start) ? leaf : value.detach());
      var read = new Tensor[1];
      var fixed =
          new Tap() {
            @Override
            public Set<Site> sites() {
              return sites;
            }

            @Override
            public Tensor at(Site site, Tensor value, Layout rows) {
              return Objects.requireNonNull(values.get(site));
            }
          };
      var last =
          Taps.capture(
              Set.of(Site.of(Kind.FINAL_NORM)), (_, value, _) -> read[0] = scope.keep(value));
      model.forward(ids, Pass.over(Layout.single(LENGTH)).with(fixed.then(last)));
      Head.Unembedding head = (Head.Unembedding) model.head();
      Tensor row = head.out().weight().values().select(0, question.target());
      read[0].select(0, question.position()).mul(row).sum().mul(head.scale()).backward();
      float[] scores =
          TokenDecomposition.scores(model, NUMBERS, question, Gated.GATE_FROZEN).scores().values();
      double[] expected =
          Objects.requireNonNull(leaf.gradient()).mul(leaf.detach()).sum(-1, false).toDoubles();
      for (int k = 0; k < LENGTH; k++) {
        assertThat((double) scores[k])
            .isCloseTo(expected[k], Offset.offset(1e-5 * Math.max(1, Math.abs(expected[k]))));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void chunksDoNotChangeTheParts(Variant variant) {
    int length = 30; // 31 slots: 16 positions a chunk
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      Question question = question(model, length);
      var result = TokenDecomposition.run(model, NUMBERS, question, Config.standard());
      assertThat(result.gap()).isLessThan(1e-10);
      float[] scores =
          TokenDecomposition.scores(model, NUMBERS, question, Gated.SYMMETRIC).scores().values();
      for (int k = 0; k < scores.length; k++) {
        assertThat((double) scores[k])
            .isCloseTo(result.score(k), Offset.offset(1e-4 * Math.max(1, Math.abs(scores[k]))));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void oneTokenAloneHasEverythingButTheBiases(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Question question = Question.of(Prompt.ofIds(NUMBERS, new int[] {3}), 7);
      var result = TokenDecomposition.run(tiny.model(), NUMBERS, question, Config.standard());
      assertThat(result.frozen().shape()).containsExactly(TinyModels.LAYERS + 1, 2);
      assertThat(result.score(0) + result.score(1)).isCloseTo(result.logit(), Offset.offset(1e-4));
      if (!variant.biases()) {
        assertThat(result.norm().at(TinyModels.LAYERS, 1)).isZero();
        assertThat(result.share().at(TinyModels.LAYERS, 0)).isEqualTo(1);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void anActivationIsItsSlopeTimesItsInput(Activation activation) {
    try (var scope = Scope.withoutGradients()) {
      Tensor x = Tensor.of(new double[] {-30, -3, -1, -1e-9, 0, 1e-9, 0.5, 2, 40}, 9);
      Tensor gap = activation.slope(x).mul(x).sub(activation.of(x)).abs();
      assertThat(gap.max().item()).isLessThan(1e-14);
    }
  }

  @Test
  void aFrozenNormIsTheNormAndAdds() {
    try (var scope = Scope.withoutGradients()) {
      Tensor x = Tensor.of(new double[] {1, -2, 3, 0.5}, 1, 4);
      Tensor part = Tensor.of(new double[] {4, 1, -2, 0.1}, 1, 4);
      Tensor gain = Tensor.of(new double[] {1, 2, 0.5, -1}, 4);
      Tensor bias = Tensor.of(new double[] {0.1, 0, -3, 2}, 4);
      for (Norm norm :
          List.of(new Norm.LayerNorm(gain, bias, 1e-3), new Norm.RmsNorm(gain, 1e-3))) {
        Tensor scale = norm.scale(x);
        Tensor sum = norm.frozen(part, scale).add(norm.frozen(x.sub(part), scale));
        Tensor whole = norm.bias() == null ? sum : sum.add(norm.bias());
        assertThat(whole.sub(norm.of(x)).abs().max().item()).isLessThan(1e-12);
      }
    }
  }

  @Test
  void whatIsNoSumOfLogitsIsRefused() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.llama(DType.F32)) {
      Question question = question(tiny.model(), LENGTH);
      assertThatThrownBy(() ->
              TokenDecomposition.run(
                  tiny.model(), NUMBERS, question.measuredBy(Metric.LOG_PROB), Config.standard()))
          .hasMessageContaining("choose the metric logit or logitdiff");
      assertThatThrownBy(() ->
              TokenDecomposition.run(
                  tiny.model(), NUMBERS, question, Config.standard().withPositionSlot()))
          .hasMessageContaining("adds no position embedding");
    }
  }

  @Test
  void aPositionSlotTakesWhatPositionsAdd() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.gpt2(DType.F64)) {
      Question question = question(tiny.model(), LENGTH);
      var apart =
          TokenDecomposition.run(
              tiny.model(), NUMBERS, question, Config.standard().withPositionSlot());
      assertThat(apart.frozen().axis(1).labels()).endsWith("(position)", "(bias)");
      assertThat(apart.norm().at(0, LENGTH)).isPositive();
      var shown = new ArrayList<Integer>();
      for (int slot = 0; slot < LENGTH; slot++) {
        if (apart.norm().at(0, slot) > 0) {
          shown.add(slot);
        }
      }
      assertThat(shown).containsExactly(LENGTH - 1);
      double sum = 0;
      for (int slot = 0; slot < LENGTH + 2; slot++) {
        sum += apart.score(slot);
      }
      assertThat(sum).isCloseTo(apart.logit(), Offset.offset(1e-4));
    }
  }

  @Test
  void probabilitiesAreThoseOfTheLensOnTheWholeStreamWhereOneSlotHasAll() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(TinyModels.some(DType.F64).get(2))) {
      var prompt = Prompt.ofIds(NUMBERS, new int[] {3});
      var result =
          TokenDecomposition.run(
              tiny.model(), NUMBERS, Question.of(prompt, 7), Config.standard().with(Bias.EQUAL));
      LensResult lens =
          LogitLens.run(tiny.model(), NUMBERS, prompt, LogitLens.Config.standard().withTarget(7));
      for (int row = 0; row <= TinyModels.LAYERS; row++) {
        assertThat(result.own().target().at(row, 0))
            .isCloseTo(lens.targetProbability().at(row, 0), Offset.offset(1e-6));
      }
    }
  }
}
