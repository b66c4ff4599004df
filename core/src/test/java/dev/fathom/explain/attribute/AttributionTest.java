package dev.fathom.explain.attribute;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.attribute.AttributionMethod.GradientTimesInput;
import dev.fathom.explain.attribute.AttributionMethod.IntegratedGradients;
import dev.fathom.explain.attribute.AttributionMethod.Occlusion;
import dev.fathom.explain.attribute.AttributionMethod.Path;
import dev.fathom.explain.attribute.AttributionMethod.Saliency;
import dev.fathom.explain.attribute.AttributionMethod.Shap;
import dev.fathom.explain.attribute.AttributionMethod.ShapOrders;
import dev.fathom.explain.attribute.AttributionMethod.SmoothGrad;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Numbers;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import dev.fathom.text.Specials;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Grid;
import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The identities of spec explain.md sections 7 and 14, in every block order.
class AttributionTest {
  private static final int LENGTH = 5;
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);
  private static final Site EMBED = Site.of(Kind.EMBED);

  static Stream<Variant> variants() {
    return TinyModels.some(DType.F64).stream();
  }

  private static Question question(Transformer model, Metric metric) {
    var prompt = Prompt.ofIds(NUMBERS, TinyModels.TinyModel.idArray(LENGTH, 3));
    Question question = Question.of(prompt, 11).withFoil(7).measuredBy(metric);
    return model.card().causal() ? question : question.at(1);
  }

  private static double value(Transformer model, Question question, Tap tap, int... ids) {
    try (var scope = Scope.withoutGradients()) {
      Tensor logits =
          model.forward(Tensor.of(ids, ids.length), Pass.over(Layout.single(ids.length)).with(tap));
      int at = model.card().causal() ? ids.length - 1 : question.position();
      Tensor row = logits.select(0, at);
      return switch (question.metric()) {
        case LOGIT -> row.select(0, question.target()).item();
        case LOG_PROB -> row.logSoftmax(-1).select(0, question.target()).item();
        case PROBABILITY -> row.softmax(-1).select(0, question.target()).item();
        case LOGIT_DIFFERENCE ->
            row.select(0, question.target())
                .sub(row.select(0, question.foil().orElseThrow()))
                .item();
        case KL -> throw new IllegalArgumentException();
      };
    }
  }

  private static double[] scores(
      Transformer model, Tokenizer tokenizer, Question question, AttributionMethod method) {
    var found = Attribution.run(model, tokenizer, question, List.of(method)).attributions();
    float[] floats = found.getFirst().scores().values();
    double[] scores = new double[floats.length];
    Arrays.setAll(scores, i -> floats[i]);
    return scores;
  }

  @ParameterizedTest
  @MethodSource("variants")
  void gradientsEqualCentralDifferences(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      Question question =
          question(model, variant.seed() % 2 == 0 ? Metric.LOG_PROB : Metric.LOGIT_DIFFERENCE);
      int[] ids = question.prompt().ids();
      var gradients = new EmbeddingGradients(model, question);
      Tensor e = gradients.embeddings();
      double[] found = gradients.at(e.unsqueeze(0)).toDoubles();
      double h = 1e-5;
      for (int i = 0; i < found.length; i += 7) {
        double[] step = new double[found.length];
        step[i] = h;
        Tensor d = Tensor.of(step, LENGTH, TinyModels.D_MODEL);
        double up = value(model, question, Taps.set(Slice.of(EMBED), e.add(d)), ids);
        double down = value(model, question, Taps.set(Slice.of(EMBED), e.sub(d)), ids);
        assertThat(found[i]).isCloseTo((up - down) / (2 * h), within(1e-4));
      }
      assertThat(gradients.clean()).isCloseTo(value(model, question, Tap.NONE, ids), within(1e-9));
      double[] product = scores(model, NUMBERS, question, new GradientTimesInput());
      double[] norm = scores(model, NUMBERS, question, new Saliency());
      double[] x = e.toDoubles();
      for (int t = 0; t < LENGTH; t++) {
        double sum = 0;
        double squares = 0;
        for (int i = t * TinyModels.D_MODEL; i < (t + 1) * TinyModels.D_MODEL; i++) {
          sum += x[i] * found[i];
          squares += found[i] * found[i];
        }
        assertThat(product[t]).isCloseTo(sum, within(1e-5 * Math.max(1, Math.abs(sum))));
        assertThat(norm[t]).isCloseTo(Math.sqrt(squares), within(1e-5 * Math.max(1, norm[t])));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void integratedGradientsSumToTheChangeFromTheBaseline(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      Question question = question(model, Metric.LOGIT);
      var coarse = integrated(model, question, Path.MIDPOINT, 50);
      double expected = coarse.expected().orElseThrow();
      double gap = Math.abs(coarse.sum() - expected);
      var fine =
          integrated(model, question, Path.MIDPOINT, 400); // some are rough: 50 is not enough
      double left = Math.abs(fine.sum() - expected);
      assertThat(left).isLessThan(0.05 * Math.abs(expected) + 0.01);
      assertThat(left).isLessThan(Math.max(gap / 2, 2e-2));
    }
  }

  private static TokenAttribution integrated(
      Transformer model, Question question, Path path, int steps) {
    var method = new IntegratedGradients(Filler.EOS, path, steps);
    return Attribution.run(model, withEnd(8), question, List.of(method)).attributions().getFirst();
  }

  @Test
  void everyPathLeadsToTheSameScores() {
    try (var tiny = TinyModels.gemma(DType.F64)) {
      Question question = question(tiny.model(), Metric.LOG_PROB);
      float[] midpoint = integrated(tiny.model(), question, Path.MIDPOINT, 400).scores().values();
      for (Path path : List.of(Path.GAUSS_LEGENDRE, Path.NEAR_BASELINE)) {
        assertThat(integrated(tiny.model(), question, path, 200).scores().values())
            .containsExactly(midpoint, within(2e-3f));
      }
    }
  }

  @Test
  void fromABaselineThatIsThePromptAllScoresAreZero() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      var prompt = Prompt.ofIds(NUMBERS, new int[] {8, 8, 8, 8});
      double[] scores =
          scores(
              tiny.model(),
              withEnd(8),
              Question.of(prompt, 11).measuredBy(Metric.LOG_PROB),
              new IntegratedGradients(Filler.EOS, Path.MIDPOINT, 3));
      assertThat(scores).containsOnly(0);
    }
  }

  private static Tokenizer withEnd(int id) {
    var none = OptionalInt.empty();
    var specials =
        new Specials(none, OptionalInt.of(id), none, none, none, none, none, false, false);
    return (Tokenizer)
        Proxy.newProxyInstance(
            Tokenizer.class.getClassLoader(),
            new Class<?>[] {Tokenizer.class},
            (_, method, arguments) ->
                method.getName().equals("specials") ? specials : method.invoke(NUMBERS, arguments));
  }

  @Test
  void workersTakeTheSameGradientsAsOneThread() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.gemma(DType.F64)) {
      var gradients = new EmbeddingGradients(tiny.model(), question(tiny.model(), Metric.LOG_PROB));
      Tensor e = gradients.embeddings().unsqueeze(0);
      Tensor points = Tensor.cat(List.of(e, e.mul(0.5), e.mul(2)), 0);
      double[] alone = gradients.at(points).toDoubles();
      Threads.set(2);
      try {
        assertThat(gradients.at(points).toDoubles())
            .usingComparatorWithPrecision(1e-12)
            .containsExactly(alone);
      } finally {
        Threads.set(1);
      }
    }
  }

  @Test
  void rulesIntegrateWhatTheyShould() {
    for (Path path : Path.values()) {
      Quadrature rule = Quadrature.of(path, 40);
      double sum = 0;
      double cubes = 0;
      for (int i = 0; i < 40; i++) {
        sum += rule.weights()[i];
        cubes += rule.weights()[i] * Math.pow(rule.at()[i], 3);
      }
      double tolerance = path == Path.GAUSS_LEGENDRE ? 1e-13 : 0.02;
      assertThat(sum).isCloseTo(1, within(tolerance));
      assertThat(cubes).isCloseTo(0.25, within(tolerance));
    }
    // n nodes are exact up to degree 2n − 1; one is the middle, exact for a linear metric
    Quadrature two = Quadrature.of(Path.GAUSS_LEGENDRE, 2);
    assertThat(
            two.weights()[0] * Math.pow(two.at()[0], 3)
                + two.weights()[1] * Math.pow(two.at()[1], 3))
        .isCloseTo(0.25, within(1e-14));
    assertThat(Quadrature.of(Path.MIDPOINT, 1).at()).containsExactly(0.5);
  }

  @Test
  void withoutNoiseSmoothGradIsGradientTimesInput() {
    try (var tiny = TinyModels.gpt2(DType.F64)) {
      Question question = question(tiny.model(), Metric.LOG_PROB);
      assertThat(scores(tiny.model(), NUMBERS, question, new SmoothGrad(3, 0, 1)))
          .containsExactly(
              scores(tiny.model(), NUMBERS, question, new GradientTimesInput()), within(1e-6));
      var noisy =
          Attribution.run(tiny.model(), NUMBERS, question, List.of(new SmoothGrad(8, 0.1, 1)));
      assertThat(noisy.attributions().getFirst().errors().orElseThrow().values()[0])
          .isGreaterThan(0);
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void occlusionEqualsARunForEachToken(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      Question question = question(model, Metric.LOG_PROB);
      int[] ids = question.prompt().ids();
      double clean = value(model, question, Tap.NONE, ids);
      double[] mean = scores(model, NUMBERS, question, new Occlusion(Filler.MEAN));
      double[] drop = scores(model, NUMBERS, question, new Occlusion(Filler.DROP));
      Tensor filler = Filler.MEAN.vector(model, NUMBERS);
      for (int t = 0; t < LENGTH; t++) {
        if (!model.card().causal() && t == question.position()) {
          assertThat(mean[t]).isNaN(); // what is asked about stays
          continue;
        }
        double without = value(model, question, Taps.set(Slice.of(EMBED).at(t), filler), ids);
        assertThat(mean[t]).isCloseTo(clean - without, within(1e-6));
        int[] shorter = new int[LENGTH - 1];
        for (int i = 0; i < LENGTH - 1; i++) {
          shorter[i] = ids[i < t ? i : i + 1];
        }
        Question moved =
            t < question.position() && !model.card().causal() ? question.at(0) : question;
        assertThat(drop[t]).isCloseTo(clean - value(model, moved, Tap.NONE, shorter), within(1e-6));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void exactShapleyValuesSumToWhatThePromptAddsAndOrdersAgree(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      Question question = question(tiny.model(), Metric.LOGIT);
      var found =
          Attribution.run(
              tiny.model(),
              NUMBERS,
              question,
              List.of(new Shap(Filler.ZERO, 100, 0), new ShapOrders(Filler.ZERO, 60, 0)));
      for (TokenAttribution attribution : found.attributions()) {
        assertThat(attribution.converged()).isTrue();
        assertThat(attribution.sum()).isCloseTo(attribution.expected().orElseThrow(), within(1e-5));
      }
      var exact = found.attributions().get(0).scores();
      var drawn = found.attributions().get(1);
      for (int t = 0; t < exact.size(); t++) {
        if (!Double.isNaN(exact.at(t))) {
          assertThat(Math.abs(exact.at(t) - drawn.scores().at(t)))
              .isLessThan(5 * drawn.errors().orElseThrow().at(t) + 1e-6);
        }
      }
    }
  }

  @Test
  void klIsADistanceForOcclusionAndHasNoGradient() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Question question = question(tiny.model(), Metric.KL);
      double[] moved = scores(tiny.model(), NUMBERS, question, new Occlusion(Filler.MEAN));
      assertThat(Arrays.stream(moved).min().orElseThrow()).isPositive();
      assertThatThrownBy(() -> scores(tiny.model(), NUMBERS, question, new Saliency()))
          .hasMessageContaining("so is its gradient");
    }
  }

  @Test
  void scoresThatAreNoNumbersHaveNoOrder() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Question question = question(tiny.model(), Metric.LOG_PROB);
      var plain =
          Attribution.run(tiny.model(), NUMBERS, question, List.of(new GradientTimesInput()));
      TokenAttribution whole = plain.attributions().getFirst();
      float[] scores = whole.scores().values();
      scores[2] = Float.NaN;
      var holed =
          new TokenAttribution(
              whole.method(),
              whole.array(),
              whole.title(),
              Grid.real(whole.scores().axes(), scores),
              whole.errors(),
              whole.unit(),
              whole.expected(),
              whole.notes());
      var result =
          new AttributionResult(
              plain.provenance(),
              plain.metric(),
              plain.startToken(),
              List.of(holed),
              Optional.empty());
      assertThatThrownBy(() ->
              Faithfulness.run(
                  tiny.model(), NUMBERS, question, result, Faithfulness.Config.standard()))
          .hasMessageContaining("no finite score for token 2 (NaN)");
    }
  }

  @Test
  void theCurvesOfFaithfulnessStartAtThePromptAndAreSavedWithTheScores() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Question question = question(tiny.model(), Metric.LOG_PROB);
      var plain =
          Attribution.run(
              tiny.model(), NUMBERS, question, List.of(new GradientTimesInput(), new Saliency()));
      var result =
          Faithfulness.run(tiny.model(), NUMBERS, question, plain, Faithfulness.Config.standard());
      double p =
          value(
              tiny.model(),
              question.measuredBy(Metric.PROBABILITY),
              Tap.NONE,
              question.prompt().ids());
      var curves = result.faithfulness().orElseThrow();
      assertThat(Objects.requireNonNull(curves.methods().get("grad_norm")).deletion().at(0))
          .isCloseTo(p, within(1e-6));
      assertThat(result.arrays().keySet())
          .contains("grad_x_input", "grad_norm", "deletion_grad_norm", "deletion_random");
      assertThat(result.views()).hasSizeGreaterThan(4);
    }
  }
}
