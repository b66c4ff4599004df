package dev.fathom.explain.causal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.fathom.data.Prompt;
import dev.fathom.data.TokenSpan;
import dev.fathom.evaluate.RankCorrelation;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.Readout;
import dev.fathom.explain.Runs;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Numbers;
import dev.fathom.model.Pass;
import dev.fathom.model.Slice;
import dev.fathom.model.Taps;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Grid;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The identities of ablation, patching, tracing and path patching (spec explain.md, sections 3, 4
/// and 14), on models in F64.
class SweepMethodsTest {
  private static final int LENGTH = 6;
  private static final Offset<Double> CLOSE = Offset.offset(1e-5); // grids are 32-bit
  private static final int[] IDS = TinyModel.idArray(LENGTH, 5);
  private static final int TARGET = 7;

  static Stream<Variant> variants() {
    return TinyModels.some(DType.F64).stream();
  }

  private static Question question(Transformer model) {
    return Question.of(Prompt.ofIds(new Numbers(model.outputs()), IDS), TARGET);
  }

  private static Prompt corrupt(Transformer model) {
    int[] ids = IDS.clone();
    ids[2] = (ids[2] + 3) % TinyModels.VOCABULARY;
    return Prompt.ofIds(new Numbers(model.outputs()), ids);
  }

  private static double logit(Transformer model, int[] ids, Intervention... changes) {
    try (var scope = Scope.withoutGradients()) {
      Tensor logits =
          model.forward(
              Tensor.of(ids, ids.length),
              Pass.over(Layout.single(ids.length)).with(Taps.of(List.of(changes))));
      return logits.select(0, LENGTH - 1).toDoubles()[TARGET];
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void ablatingWithTheOwnActivationChangesNothing(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      Question question = question(model);
      var own = new Ablation.Instead.Mean(List.of(question.prompt()), true);
      var result =
          Ablation.run(model, new Numbers(50), question, Ablation.Config.standard().with(own));
      result
          .effects()
          .forEach((part, effect) -> assertThat(largest(effect)).as(part.title()).isLessThan(1e-5));
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void zeroAblationEqualsTheNaiveLoop(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var result =
          Ablation.run(model, new Numbers(50), question(model), Ablation.Config.standard());
      double clean = logit(model, IDS);
      assertThat(result.clean()).isCloseTo(clean, CLOSE);
      for (int layer = 0; layer < model.layers(); layer++) {
        for (int p = 0; p < LENGTH; p++) {
          var attention = new Intervention.Zero(Slice.of(Kind.ATTN_OUT, layer).at(p));
          var mlp = new Intervention.Zero(Slice.of(Kind.MLP_OUT, layer).at(p));
          assertThat(at(result, Ablation.Part.ATTENTION, layer, p))
              .isCloseTo(clean - logit(model, IDS, attention), CLOSE);
          assertThat(at(result, Ablation.Part.BOTH, layer, p))
              .isCloseTo(clean - logit(model, IDS, attention, mlp), CLOSE);
        }
        for (int head = 0; head < TinyModels.HEADS; head++) {
          var zero = new Intervention.Zero(Slice.of(Kind.Z, layer).heads(head));
          assertThat(at(result, Ablation.Part.HEAD, layer, head))
              .isCloseTo(clean - logit(model, IDS, zero), CLOSE);
        }
      }
      if (variant.order() == TinyModels.Order.PARALLEL) {
        assertThat(
                largest(
                    Objects.requireNonNull(result.effects().get(Ablation.Part.ATTENTION_TO_MLP))))
            .isLessThan(1e-6);
      }
    }
  }

  private static double at(AblationResult result, Ablation.Part part, int... index) {
    return Objects.requireNonNull(result.effects().get(part)).at(index);
  }

  @ParameterizedTest
  @MethodSource("variants")
  void patchingTheLastStreamOfTheLastPositionRecoversEverything(Variant variant) {
    assumeThat(variant.causal()).isTrue();
    try (var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      for (var direction : Patching.Direction.values()) {
        var result =
            Patching.run(
                model,
                new Numbers(50),
                question(model),
                corrupt(model),
                Patching.Config.standard().with(direction).of(Patching.Part.values()));
        Grid stream = result.recovery(Patching.Part.STREAM);
        boolean denoise = direction == Patching.Direction.DENOISE;
        int last = model.layers() - 1;
        assertThat(stream.at(last, LENGTH - 1)).isCloseTo(denoise ? 1 : 0, Offset.offset(1e-4));
        // before the changed token both runs are the same: nothing to put over
        for (int layer = 0; layer <= last; layer++) {
          assertThat(stream.at(layer, 1)).isCloseTo(denoise ? 0 : 1, Offset.offset(1e-4));
        }
      }
    }
  }

  @Test
  void patchingEqualsTheNaiveLoop() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.llama(DType.F64)) {
      Transformer model = tiny.model();
      Prompt corrupt = corrupt(model);
      var result =
          Patching.run(
              model,
              new Numbers(50),
              question(model),
              corrupt,
              Patching.Config.standard().of(Patching.Part.MLP, Patching.Part.KEY));
      Runs clean = Runs.of(model, IDS, Kind.MLP_OUT, Kind.K);
      for (int layer = 0; layer < model.layers(); layer++) {
        var mlp =
            new Intervention.Replace(
                Slice.of(Kind.MLP_OUT, layer).at(3), clean.at(Kind.MLP_OUT, layer, 0, 3));
        assertThat(Objects.requireNonNull(result.patched().get(Patching.Part.MLP)).at(layer, 3))
            .isCloseTo(logit(model, corrupt.ids(), mlp), CLOSE);
        var key =
            new Intervention.Replace(
                Slice.of(Kind.K, layer).heads(1), clean.at(Kind.K, layer, 0).narrow(1, 1, 1));
        assertThat(Objects.requireNonNull(result.patched().get(Patching.Part.KEY)).at(layer, 1))
            .isCloseTo(logit(model, corrupt.ids(), key), CLOSE);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void tracingWithoutNoiseHasNoEffect(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var config = CausalTracing.Config.standard(model).withSamples(2);
      Question question = question(model).measuredBy(Metric.PROBABILITY);
      var subject = new TokenSpan(1, 2);
      var silent =
          CausalTracing.run(model, new Numbers(50), question, subject, config.withStrength(0));
      assertThat(silent.totalEffect()).isCloseTo(0, Offset.offset(1e-9));
      for (var state : CausalTracing.State.values()) {
        assertThat(largest(silent.indirectEffect(state))).isLessThan(1e-6);
      }
      var noisy = CausalTracing.run(model, new Numbers(50), question, subject, config);
      var again =
          CausalTracing.run(model, new Numbers(50), question, subject, config.within(1 << 20));
      for (var state : CausalTracing.State.values()) {
        assertThat(largest(difference(noisy.indirectEffect(state), again.indirectEffect(state))))
            .as("the budget changes nothing")
            .isLessThan(1e-6);
      }
      if (variant.causal()) {
        Grid hidden = Objects.requireNonNull(noisy.maps().get(CausalTracing.State.HIDDEN)).score();
        assertThat(hidden.at(model.layers() - 1, LENGTH - 1))
            .as("the last stream put back is the clean answer")
            .isCloseTo(noisy.high(), CLOSE);
        assertThat(hidden.at(0, 0)).as("before the subject").isCloseTo(noisy.low(), CLOSE);
      }
    }
  }

  @Test
  void restoringUnderKlIsPositive() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Transformer model = tiny.model();
      var traced =
          CausalTracing.run(
              model,
              new Numbers(50),
              question(model).measuredBy(Metric.KL),
              new TokenSpan(1, 2),
              CausalTracing.Config.standard(model).withSamples(2));
      assertThat(traced.high()).isZero();
      assertThat(traced.totalEffect()).isPositive().isEqualTo(traced.low());
      Grid restored = traced.indirectEffect(CausalTracing.State.HIDDEN);
      assertThat(restored.at(model.layers() - 1, LENGTH - 1))
          .as("the last stream put back leaves no distance")
          .isCloseTo(traced.low(), CLOSE);
      assertThat(restored.at(0, 0)).as("before the subject").isCloseTo(0, CLOSE);
    }
  }

  @Test
  void aMeanOfManyCopiesInSixteenBitsIsTheirValue() {
    try (var tiny = TinyModels.llama(DType.BF16)) {
      Transformer model = tiny.model();
      Question question = question(model);
      for (boolean perPosition : new boolean[] {true, false}) {
        var one = copies(model, question, 1, perPosition);
        var many = copies(model, question, 300, perPosition);
        for (var part : one.effects().sequencedKeySet()) {
          Grid difference = difference(one.effect(part), many.effect(part));
          assertThat(largest(difference)).as(part.title()).isZero();
        }
      }
    }
  }

  private static AblationResult copies(
      Transformer model, Question question, int count, boolean perPosition) {
    var mean =
        new Ablation.Instead.Mean(Collections.nCopies(count, question.prompt()), perPosition);
    return Ablation.run(model, new Numbers(50), question, Ablation.Config.standard().with(mean));
  }

  @Test
  void differencesOfLogitsInSixteenBitsAreNotRounded() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.llama(DType.BF16)) {
      Transformer model = tiny.model();
      Question question = question(model).withFoil(3).measuredBy(Metric.LOGIT_DIFFERENCE);
      Tensor streams = Runs.of(model, IDS).stream(model.layers()); // [LENGTH, dModel]
      var readout = new Readout(model, question, streams.narrow(0, LENGTH - 1, 1));
      Tensor table = model.head().out().weight().values().to(DType.F64);
      Tensor direction = table.narrow(0, TARGET, 1).sub(table.narrow(0, 3, 1));
      Tensor read = model.head().read(streams).to(DType.F64);
      assertThat(readout.values(streams))
          .usingComparatorWithPrecision(1e-4)
          .containsExactly(read.mul(direction).sum(1, false).toDoubles());
    }
  }

  @Test
  void receiversThatShareKeysHearOnce() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Transformer model = tiny.model();
      for (var input : List.of(PathPatching.Input.KEY, PathPatching.Input.VALUE)) {
        var first = new PathPatching.Receiver.Head(input, 2, 0);
        var second = new PathPatching.Receiver.Head(input, 2, 1);
        assertThat(paths(model, List.of(first, second)).effect())
            .isEqualTo(paths(model, List.of(first)).effect());
      }
    }
  }

  @Test
  void theBudgetOfRoutesChangesNothing() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Transformer model = tiny.model();
      var receivers =
          List.<PathPatching.Receiver>of(
              new PathPatching.Receiver.Mlp(1),
              new PathPatching.Receiver.Mlp(2),
              new PathPatching.Receiver.Head(PathPatching.Input.QUERY, 2, 1),
              new PathPatching.Receiver.Head(PathPatching.Input.VALUE, 2, 1));
      var little =
          PathPatching.run(
              model, new Numbers(50), question(model), corrupt(model), receivers, 1 << 20, _ -> {});
      assertThat(largest(difference(paths(model, receivers).effect(), little.effect())))
          .isLessThan(1e-6);
    }
  }

  @Test
  void klHasNoGradientAtTheCleanPrompt() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Transformer model = tiny.model();
      Question question = question(model).measuredBy(Metric.KL);
      var noise = Patching.Config.standard().with(Patching.Direction.NOISE);
      assertThatThrownBy(() ->
              AttributionPatching.run(model, new Numbers(50), question, corrupt(model), noise))
          .hasMessageContaining("and so is its gradient");
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void theRouteToTheLogitsIsTheHeadsContributionToTheLastStream(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var logits = List.<PathPatching.Receiver>of(new PathPatching.Receiver.Logits());
      if (variant.order() == TinyModels.Order.POST_NORM) {
        assertThatThrownBy(() -> paths(model, logits))
            .hasMessageContaining("normalises the stream");
        return;
      }
      var direct = paths(model, logits);
      int last = model.layers() - 1;
      // in the last block every route leads to the logits, but through the block's own MLP
      var mlp = List.<PathPatching.Receiver>of(new PathPatching.Receiver.Mlp(last));
      var through = paths(model, mlp);
      Runs both = Runs.of(model, corrupt(model).ids(), Kind.Z);
      for (int head = 0; head < TinyModels.HEADS; head++) {
        var swap =
            new Intervention.Replace(
                Slice.of(Kind.Z, last).heads(head), both.at(Kind.Z, last, 0).narrow(1, head, 1));
        double exact = direct.clean() - logit(model, IDS, swap);
        boolean parallel = variant.order() == TinyModels.Order.PARALLEL;
        if (parallel) {
          assertThat(direct.effect().at(last, head)).isCloseTo(exact, CLOSE);
          assertThat(through.effect().at(last, head)).isZero();
        }
      }
    }
  }

  /// Against the definition: the receiver's input from a run in which only the sender is corrupt
  /// and all blocks between are frozen.
  @Test
  void aRouteToAHeadsQueriesEqualsFreezingEverythingBetween() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.llama(DType.F64)) {
      Transformer model = tiny.model();
      var receiver =
          List.<PathPatching.Receiver>of(
              new PathPatching.Receiver.Head(PathPatching.Input.QUERY, 2, 1));
      var found = paths(model, receiver);
      Runs clean = Runs.of(model, IDS, Kind.ATTN_OUT, Kind.MLP_OUT);
      Runs corrupt = Runs.of(model, corrupt(model).ids(), Kind.Z);
      for (int head = 0; head < TinyModels.HEADS; head++) {
        // first pass: sender 0.head corrupt, everything after it frozen; take the receiver's
        // queries
        Tensor[] queries = new Tensor[1];
        UnaryOperator<Tensor> take =
            q -> {
              queries[0] = scope.keep(q.copy());
              return q;
            };
        logit(
            model,
            IDS,
            new Intervention.Replace(
                Slice.of(Kind.Z, 0).heads(head), corrupt.at(Kind.Z, 0, 0).narrow(1, head, 1)),
            new Intervention.Replace(Slice.of(Kind.MLP_OUT, 0), clean.at(Kind.MLP_OUT, 0, 0)),
            new Intervention.Replace(Slice.of(Kind.ATTN_OUT, 1), clean.at(Kind.ATTN_OUT, 1, 0)),
            new Intervention.Replace(Slice.of(Kind.MLP_OUT, 1), clean.at(Kind.MLP_OUT, 1, 0)),
            new Intervention.Change(Slice.of(Kind.Q_ROT, 2).heads(1), take));
        // second pass: only the receiver's queries are those
        double with =
            logit(
                model, IDS, new Intervention.Replace(Slice.of(Kind.Q_ROT, 2).heads(1), queries[0]));
        assertThat(found.effect().at(0, head)).isCloseTo(found.clean() - with, CLOSE);
      }
      assertThat(found.effect().at(2, 0)).as("a later sender is not heard").isZero();
    }
  }

  private static PathPatchingResult paths(
      Transformer model, List<PathPatching.Receiver> receivers) {
    return PathPatching.run(
        model, new Numbers(50), question(model), corrupt(model), receivers, Sweep.BUDGET, _ -> {});
  }

  @Test
  void theGradientsEstimateIsExactForTheLastStreamUpToItsCurvature() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Transformer model = tiny.model();
      var outcome =
          AttributionPatching.run(
              model, new Numbers(50), question(model), corrupt(model), Patching.Config.standard());
      Grid estimated = Objects.requireNonNull(outcome.estimated().get(Patching.Part.ATTENTION));
      Grid exact = Objects.requireNonNull(outcome.exact().get(Patching.Part.ATTENTION));
      assertThat(estimated.axes()).isEqualTo(exact.axes());
      assertThat(RankCorrelation.of(estimated.values(), exact.values())).isGreaterThan(0.5);
      assertThat(estimated.at(1, 0)).as("before the changed token").isCloseTo(0, CLOSE);
    }
  }

  @Test
  void promptsThatCannotBeComparedAreRefused() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Transformer model = tiny.model();
      var numbers = new Numbers(50);
      var longer = Prompt.ofIds(numbers, Arrays.copyOf(IDS, LENGTH + 1));
      assertThatThrownBy(() ->
              Patching.run(model, numbers, question(model), longer, Patching.Config.standard()))
          .hasMessageContaining("same number of tokens");
      assertThatThrownBy(() ->
              Patching.run(
                  model,
                  numbers,
                  question(model),
                  question(model).prompt(),
                  Patching.Config.standard()))
          .hasMessageContaining("are the same");
      for (var instead :
          List.of(
              new Ablation.Instead.Resample(longer),
              new Ablation.Instead.Mean(List.of(longer), true))) {
        var config = Ablation.Config.standard().with(instead);
        assertThatThrownBy(() -> Ablation.run(model, numbers, question(model), config))
            .hasMessageContaining("has 7 tokens, this one 6");
      }
      assertThatThrownBy(() -> question(model).withFoil(TARGET)).hasMessageContaining("foil");
      assertThatThrownBy(() -> TokenSpan.of(question(model).prompt(), "Paris"))
          .hasMessageContaining("does not occur");
      assertThatThrownBy(() -> paths(model, List.of(new PathPatching.Receiver.Mlp(9))))
          .hasMessageContaining("no layer 9");
    }
  }

  private static double largest(Grid grid) {
    double largest = 0;
    for (float value : grid.values()) {
      largest = Math.max(largest, Math.abs(value));
    }
    return largest;
  }

  private static Grid difference(Grid a, Grid b) {
    float[] values = a.values();
    float[] other = b.values();
    for (int i = 0; i < values.length; i++) {
      values[i] -= other[i];
    }
    return Grid.real(a.axes(), values);
  }
}
