package dev.fathom.explain.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Predictions;
import dev.fathom.explain.Question;
import dev.fathom.explain.attention.TokenMixing;
import dev.fathom.explain.attribute.Attribution;
import dev.fathom.explain.attribute.AttributionMethod;
import dev.fathom.explain.causal.Ablation;
import dev.fathom.explain.lens.LensResult;
import dev.fathom.explain.lens.LogitLens;
import dev.fathom.explain.parts.DirectLogitAttribution;
import dev.fathom.explain.parts.DirectLogitResult;
import dev.fathom.explain.parts.TokenDecomposition;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Slice;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import dev.fathom.view.Grid;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The identities that hold on random models hold on a trained one, whose activations are large.
class TidepoolIdentitiesTest {
  private static final String FACT = "The Eiffel Tower is located in the city of";

  @TempDir private static Path cache;

  @SuppressWarnings("NullAway.Init") // before all tests
  private static Transformer model;

  @SuppressWarnings("NullAway.Init") // before all tests
  private static Tokenizer tokenizer;

  @SuppressWarnings("NullAway.Init") // before all tests
  private static Question question;

  @BeforeAll
  static void load() {
    Threads.set(1);
    model = Models.load(Bundled.TIDEPOOL.open(cache), DType.F32);
    tokenizer = Tokenizers.load(Bundled.TIDEPOOL.directory(cache));
    Prompt prompt = Prompt.of(tokenizer, FACT, Prompt.Options.PLAIN);
    question = Question.of(prompt, Target.of(tokenizer, prompt, " Paris").id());
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static double sum(Grid grid) {
    double sum = 0;
    for (float value : grid.values()) {
      sum += value;
    }
    return sum;
  }

  @Test
  void theLensAtTheLastLayerIsTheModel() {
    LensResult lens =
        LogitLens.run(
            model,
            tokenizer,
            question.prompt(),
            LogitLens.Config.standard().withTarget(question.target()));
    int last = question.position();
    assertThat(lens.top(lens.rows() - 1, last))
        .isEqualTo(Predictions.best(model, question.prompt().ids(), last));
  }

  @Test
  void partsSumToTheLogit() {
    DirectLogitResult direct = DirectLogitAttribution.run(model, tokenizer, question);
    assertThat(direct.embedding() + direct.bias() + sum(direct.attention()) + sum(direct.mlp()))
        .isCloseTo(direct.logit(), within(1e-4 * Math.max(1, Math.abs(direct.logit()))));
    var split =
        TokenDecomposition.run(model, tokenizer, question, TokenDecomposition.Config.standard());
    assertThat(split.gap()).isLessThan(1e-5);
    assertThat(sum(split.frozen().select(0, model.layers())))
        .isCloseTo(split.logit(), within(1e-4 * Math.max(1, Math.abs(split.logit()))));
  }

  @Test
  void ablationIsTheNaiveLoop() {
    var maps =
        Ablation.run(
            model,
            tokenizer,
            question,
            Ablation.Config.standard().of(Ablation.Part.ATTENTION, Ablation.Part.MLP));
    for (int layer = 0; layer < model.layers(); layer += 3) {
      for (int position = 1; position < question.prompt().length(); position += 4) {
        assertThat((double) maps.effect(Ablation.Part.ATTENTION).at(layer, position))
            .isCloseTo(naive(Slice.of(Kind.ATTN_OUT, layer).at(position)), within(1e-3));
        assertThat((double) maps.effect(Ablation.Part.MLP).at(layer, position))
            .isCloseTo(naive(Slice.of(Kind.MLP_OUT, layer).at(position)), within(1e-3));
      }
    }
  }

  private static double naive(Slice slice) {
    int[] ids = question.prompt().ids();
    try (var scope = Scope.withoutGradients()) {
      Pass clean = Pass.over(Layout.single(ids.length));
      Pass without =
          Pass.over(Layout.single(ids.length)).with(Taps.of(List.of(new Intervention.Zero(slice))));
      Tensor input = Tensor.of(ids, ids.length);
      Tensor difference = model.forward(input, clean).sub(model.forward(input, without));
      return difference.select(0, ids.length - 1).select(0, question.target()).item();
    }
  }

  @Test
  void rolloutRowsSumToOne() {
    var mixing =
        TokenMixing.run(
            model, tokenizer, question.prompt(), question.position(), TokenMixing.Method.ROLLOUT);
    Grid total = mixing.total();
    for (int row = 0; row < total.axis(0).size(); row++) {
      assertThat(sum(total.select(0, row))).isCloseTo(1, within(1e-4));
    }
  }

  @Test
  void integratedGradientsAndShapleyValuesSumToWhatTheTokensAdd() {
    Question sure = question.measuredBy(Metric.LOGIT);
    var methods =
        List.of(
            AttributionMethod.IntegratedGradients.standard(), AttributionMethod.Shap.standard());
    var found = Attribution.run(model, tokenizer, sure, methods);
    assertThat(found.attributions().getFirst().gap().orElseThrow()).isLessThan(0.05);
    assertThat(found.attributions().getLast().gap().orElseThrow()).isLessThan(1e-3);
  }
}
