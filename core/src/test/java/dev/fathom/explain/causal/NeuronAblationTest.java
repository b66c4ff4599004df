package dev.fathom.explain.causal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.NeuronAblation.Neuron;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Numbers;
import dev.fathom.model.Pass;
import dev.fathom.model.PositionSpan;
import dev.fathom.model.Slice;
import dev.fathom.model.Taps;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class NeuronAblationTest {
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);
  private static final int LENGTH = 6;
  private static final int[] IDS = TinyModel.idArray(LENGTH, 5);
  private static final int TARGET = 7;
  private static final Question QUESTION = Question.of(Prompt.ofIds(NUMBERS, IDS), TARGET);

  static Stream<Variant> variants() {
    return TinyModels.some(DType.F64).stream();
  }

  private static double logit(Transformer model, Intervention... changes) {
    try (var scope = Scope.withoutGradients()) {
      Pass pass = Pass.over(Layout.single(LENGTH)).with(Taps.of(List.of(changes)));
      return model.forward(Tensor.of(IDS, LENGTH), pass).select(0, LENGTH - 1).toDoubles()[TARGET];
    }
  }

  private static NeuronAblationResult run(
      Transformer model, List<Neuron> neurons, Ablation.Instead instead) {
    return NeuronAblation.run(
        model, NUMBERS, QUESTION, neurons, NeuronAblation.Config.standard().with(instead));
  }

  @ParameterizedTest
  @MethodSource("variants")
  void aNeuronsAblationEqualsItsOwnForwardPass(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var neurons = new ArrayList<Neuron>();
      for (int layer = 0; layer < model.layers(); layer++) {
        neurons.add(Neuron.of(layer, 3 + layer));
        neurons.add(new Neuron(layer, 9, PositionSpan.LAST));
        neurons.add(new Neuron(layer, 11, new PositionSpan(2, -2)));
      }
      double clean = logit(model);
      for (var effect : run(model, neurons, new Ablation.Instead.Zero()).effects()) {
        double without = logit(model, new Intervention.Zero(effect.neuron().slice()));
        assertThat(effect.effect()).as(effect.toString()).isCloseTo(clean - without, within(1e-9));
      }
      for (var effect : run(model, neurons, new Ablation.Instead.Value(0.7)).effects()) {
        double without =
            logit(
                model,
                new Intervention.Change(
                    effect.neuron().slice(),
                    value -> value.mul(0).add(Tensor.full(0.7, DType.F64, 1))));
        assertThat(effect.effect()).as(effect.toString()).isCloseTo(clean - without, within(1e-9));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void theOwnActivationInsteadChangesNothing(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var one = List.of(new Neuron(1, 4, PositionSpan.LAST));
      double own = run(model, one, new Ablation.Instead.Zero()).effects().getFirst().activation();
      assertThat(run(model, one, new Ablation.Instead.Value(own)).effects().getFirst().effect())
          .isCloseTo(0, within(1e-9));
      var mean = new Ablation.Instead.Mean(List.of(QUESTION.prompt()), true);
      assertThat(run(model, List.of(Neuron.of(1, 4)), mean).effects().getFirst().effect())
          .isCloseTo(0, within(1e-9));
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void aValueStandsInForEveryPart(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var result =
          Ablation.run(
              model,
              NUMBERS,
              QUESTION,
              Ablation.Config.standard().with(new Ablation.Instead.Value(0.3)));
      try (var scope = Scope.open()) {
        Tensor number = Tensor.full(0.3, DType.F64, 1, 1);
        var attention = new Intervention.Replace(Slice.of(Kind.ATTN_OUT, 1).at(2), number);
        var head = new Intervention.Replace(Slice.of(Kind.Z, 1).heads(2), number.unsqueeze(0));
        double clean = logit(model);
        assertThat(result.effect(Ablation.Part.ATTENTION).at(1, 2))
            .isCloseTo(clean - logit(model, attention), within(1e-5));
        assertThat(result.effect(Ablation.Part.HEAD).at(1, 2))
            .isCloseTo(clean - logit(model, head), within(1e-5));
      }
    }
  }

  @Test
  void neuronsAreNamedAsSitesOrFoundByWhatTheyWrite() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Transformer model = tiny.model();
      assertThat(NeuronAblation.named("mlp_act.1.n4,mlp_act.-1.n5@last", model))
          .extracting(Neuron::toString)
          .containsExactly("mlp_act.1.n4", "mlp_act.2.n5@last");
      assertThat(NeuronAblation.named("mlp_act.0-1", model)).hasSize(2 * TinyModels.D_MLP);
      assertThat(NeuronAblation.strongest(model, NUMBERS, QUESTION, 5)).hasSize(5);
      assertThatThrownBy(() -> NeuronAblation.named("mlp_out.1", model))
          .hasMessageContaining("such as mlp_act.3.n17");
      assertThatThrownBy(() -> NeuronAblation.named("mlp_act.1.n99", model))
          .hasMessageContaining("n0 to 31");
      assertThatThrownBy(() ->
              run(
                  model,
                  List.of(new Neuron(0, 1, PositionSpan.at(9))),
                  new Ablation.Instead.Zero()))
          .hasMessageContaining("depends on positions 0 to 5 only");
    }
  }
}
