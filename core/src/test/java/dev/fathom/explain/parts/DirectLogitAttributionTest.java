package dev.fathom.explain.parts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.lens.LogitLens;
import dev.fathom.model.Head;
import dev.fathom.model.Numbers;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Grid;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class DirectLogitAttributionTest {
  private static final int LENGTH = 6;
  private static final Offset<Double> FLOATS = Offset.offset(2e-5); // grids are floats
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);

  static Stream<Variant> variants() {
    return TinyModels.some(DType.F64).stream();
  }

  private static Question question(Transformer model) {
    var prompt = Prompt.ofIds(NUMBERS, TinyModel.idArray(LENGTH, 5));
    return Question.of(prompt, 7).at(model.card().causal() ? LENGTH - 1 : LENGTH / 2);
  }

  @ParameterizedTest
  @MethodSource("variants")
  void thePartsSumToTheLogit(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var result = DirectLogitAttribution.run(model, NUMBERS, question(model));
      assertThat(result.sum()).isCloseTo(result.logit(), FLOATS);
      assertThat(result.logit()).isCloseTo(uncapped(model, question(model)), Offset.offset(1e-9));
      if (!variant.biases()) {
        assertThat(result.bias()).isZero();
      }
    }
  }

  /// The question's logit by the plain head without its cap.
  private static double uncapped(Transformer model, Question question) {
    int[] ids = question.ids(model);
    Tensor last =
        LogitLens.streams(model, ids).select(0, model.layers()).narrow(0, question.position(), 1);
    double logit =
        model.head().out().of(model.head().read(last)).select(1, question.target()).item();
    return model.head() instanceof Head.Unembedding h ? logit * h.scale() : logit;
  }

  @ParameterizedTest
  @MethodSource("variants")
  void headsSourcesAndNeuronsSumToTheirSublayer(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      var result = DirectLogitAttribution.run(tiny.model(), NUMBERS, question(tiny.model()));
      for (int layer = 0; layer < TinyModels.LAYERS; layer++) {
        double heads = sum(result.heads(), layer);
        assertThat(sum(result.sources(), layer)).isCloseTo(heads, FLOATS);
        if (!variant.biases()) { // a bias belongs to no head and no neuron
          assertThat(heads).isCloseTo(result.attention().at(layer), FLOATS);
          assertThat(sum(result.neurons(), layer)).isCloseTo(result.mlp().at(layer), FLOATS);
        }
      }
    }
  }

  private static double sum(Grid grid, int layer) {
    double sum = 0;
    for (float value : grid.select(0, layer).values()) {
      sum += value;
    }
    return sum;
  }

  @ParameterizedTest
  @MethodSource("variants")
  void aDifferenceIsTheDifferenceOfTwo(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      Question question = question(model);
      var target = DirectLogitAttribution.run(model, NUMBERS, question);
      var foil =
          DirectLogitAttribution.run(
              model, NUMBERS, Question.of(question.prompt(), 11).at(question.position()));
      var both =
          DirectLogitAttribution.run(
              model, NUMBERS, question.withFoil(11).measuredBy(Metric.LOGIT_DIFFERENCE));
      assertThat(both.logit()).isCloseTo(target.logit() - foil.logit(), FLOATS);
      assertThat(both.mlp().at(1)).isCloseTo(target.mlp().at(1) - foil.mlp().at(1), FLOATS);
    }
  }

  @Test
  void probabilitiesAreRefused() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.llama(DType.F32)) {
      assertThatThrownBy(() ->
              DirectLogitAttribution.run(
                  tiny.model(), NUMBERS, question(tiny.model()).measuredBy(Metric.PROBABILITY)))
          .hasMessageContaining("choose the metric logit or logitdiff");
    }
  }
}
