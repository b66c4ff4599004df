package dev.fathom.explain.neurons;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.neurons.NeuronContributions.Order;
import dev.fathom.explain.neurons.ValueVectors.Reading;
import dev.fathom.explain.parts.DirectLogitAttribution;
import dev.fathom.model.Capture;
import dev.fathom.model.Head;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Numbers;
import dev.fathom.model.Pass;
import dev.fathom.model.Slice;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The identities of spec explain.md section 6.
class ValueVectorsTest {
  private static final int LENGTH = 5;
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);

  static Stream<Variant> decoders() {
    return TinyModels.some(DType.F64).stream().filter(Variant::causal);
  }

  private static int[] ids() {
    return TinyModels.TinyModel.idArray(LENGTH, 3);
  }

  private static double[] at(Transformer model, Slice slice) {
    var capture = Capture.of(slice);
    model.forward(Tensor.of(ids(), LENGTH), Pass.over(Layout.single(LENGTH)).with(capture));
    float[] values = capture.get(slice).values();
    double[] doubles = new double[values.length];
    Arrays.setAll(doubles, i -> values[i]);
    return doubles;
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void neuronsSumToWhatTheMlpReturns(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      int last = LENGTH - 1;
      double[] m = at(model, Slice.of(Kind.MLP_ACT, 1).at(last));
      double[] raw = at(model, Slice.of(Kind.MLP_RAW, 1).at(last));
      Tensor vectors =
          ValueVectors.of(
              model, 1, java.util.stream.IntStream.range(0, TinyModels.D_MLP).toArray());
      Tensor sum = Tensor.of(m, 1, m.length).matmul(vectors).select(0, 0);
      Tensor bias = model.blocks().get(1).mlp().out().bias();
      assertThat((bias == null ? sum : sum.add(bias)).toDoubles())
          .usingComparatorWithPrecision(1e-5)
          .containsExactly(raw);
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void aNeuronTimesItsSoftmaxShiftsLogOddsByItsReading(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      Tensor table = model.head().out().weight().values(); // [vocab, dModel]
      Tensor h =
          Tensor.of(
              new java.util.Random(3).doubles(TinyModels.D_MODEL).toArray(), TinyModels.D_MODEL, 1);
      Tensor v = ValueVectors.of(model, 0, new int[] {4}).transpose(0, 1);
      double m = -0.7;
      Tensor before = table.matmul(h).select(1, 0).softmax(0);
      Tensor after = table.matmul(h.add(v.mul(m))).select(1, 0).softmax(0);
      Tensor product = before.mul(table.matmul(v).select(1, 0).mul(m).exp());
      assertThat(after.toDoubles())
          .usingComparatorWithPrecision(1e-12)
          .containsExactly(product.div(product.sum()).toDoubles());
      double[] p = before.toDoubles();
      double[] q = after.toDoubles();
      double[] r = table.matmul(v).select(1, 0).toDoubles();
      assertThat(Math.log(q[3] / q[8]) - Math.log(p[3] / p[8]))
          .isCloseTo(m * (r[3] - r[8]), within(1e-9));
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void frozenContributionsSumToWhatTheMlpAddsToTheLogit(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var config = new NeuronContributions.Config(Order.TARGET, Reading.FROZEN, 3, 4);
      var question = Question.of(Prompt.ofIds(NUMBERS, ids()), 11);
      var found = NeuronContributions.run(model, NUMBERS, question, config);
      var head = (Head.Unembedding) model.head();
      Tensor row = head.out().weight().values().narrow(0, 11, 1);
      int last = LENGTH - 1;
      for (int layer = 0; layer < model.layers(); layer++) {
        // by hand: MLP_OUT without the bias, through the final norm with its divisor frozen
        double[] added = at(model, Slice.of(Kind.MLP_OUT, layer).at(last));
        double[] stream = at(model, Slice.of(Kind.RESID_POST, model.layers() - 1).at(last));
        Tensor scale =
            Objects.requireNonNull(head.norm()).scale(Tensor.of(stream, 1, stream.length));
        Tensor x = Tensor.of(added, 1, added.length);
        Tensor read = Objects.requireNonNull(head.norm()).with(x, scale);
        Tensor nothing =
            Objects.requireNonNull(head.norm())
                .with(Tensor.zeros(DType.F64, 1, added.length), scale);
        double whole = read.sub(nothing).mul(row).sum().item() * head.scale();
        double sum = 0;
        for (float each : found.speaks().select(0, layer).values()) {
          sum += each;
        }
        if (!variant.biases()) {
          assertThat(sum).isCloseTo(whole, within(1e-4 * Math.max(1, Math.abs(whole))));
        }
      }
      assertThat(found.ranking()).hasSize(3);
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void theBestTokensAreTheLargestOfAllLogits(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      for (Reading reading : List.of(Reading.RAW, Reading.GAMMA)) {
        var all = ValueVectors.read(model, NUMBERS, 2, new int[0], 5, reading);
        assertThat(all.neurons().size()).isEqualTo(TinyModels.D_MLP);
        Tensor v =
            ValueVectors.through(model, 2, ValueVectors.of(model, 2, new int[] {7}), reading);
        double[] logits =
            model.head().out().weight().values().matmul(v.transpose(0, 1)).select(1, 0).toDoubles();
        double[] sorted = Arrays.stream(logits).sorted().toArray();
        for (int k = 0; k < 5; k++) {
          assertThat(all.promoted().at(7, k))
              .isCloseTo(sorted[sorted.length - 1 - k], within(1e-5));
          assertThat(all.suppressed().at(7, k)).isCloseTo(sorted[k], within(1e-5));
          assertThat(logits[(int) all.promotedIds().integerAt(7, k)])
              .isCloseTo(all.promoted().at(7, k), within(1e-5));
        }
        var one = ValueVectors.read(model, NUMBERS, 2, new int[] {7}, 5, reading);
        assertThat(one.promotedTokens().getFirst()).isEqualTo(all.promotedTokens().get(7));
      }
    }
  }

  @Test
  void signsAreCountedOverTheTokens() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.llama(DType.F64)) {
      var found = NeuronSigns.run(tiny.model(), List.of(ids(), new int[] {4, 5}), true);
      assertThat(found.tokens()).isEqualTo(LENGTH);
      double[] m = at(tiny.model(), Slice.of(Kind.MLP_ACT, 1));
      var alone = NeuronSigns.run(tiny.model(), List.of(ids()), false);
      for (int i = 0; i < TinyModels.D_MLP; i++) {
        double sum = 0;
        int negative = 0;
        for (int t = 0; t < LENGTH; t++) {
          sum += m[t * TinyModels.D_MLP + i] / LENGTH;
          negative += m[t * TinyModels.D_MLP + i] < 0 ? 1 : 0;
        }
        assertThat(alone.mean().at(1, i)).isCloseTo(sum, within(1e-5));
        assertThat(alone.negative().at(1, i)).isCloseTo(negative / (double) LENGTH, within(1e-6));
        assertThat(alone.negative().at(1, i) + alone.positive().at(1, i))
            .isLessThanOrEqualTo(1.0001);
      }
    }
  }

  @Test
  void aFoilCountsOnlyWhereTheDifferenceIsAskedFor() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Transformer model = tiny.model();
      var config = new NeuronContributions.Config(Order.TARGET, Reading.FROZEN, 3, 4);
      var plain = Question.of(Prompt.ofIds(NUMBERS, ids()), 11);
      var alone = NeuronContributions.run(model, NUMBERS, plain, config);
      var foiled = NeuronContributions.run(model, NUMBERS, plain.withFoil(7), config);
      assertThat(foiled.speaks()).isEqualTo(alone.speaks());
      var difference = plain.withFoil(7).measuredBy(Metric.LOGIT_DIFFERENCE);
      for (Question question : List.of(plain.withFoil(7), difference)) {
        var found = NeuronContributions.run(model, NUMBERS, question, config);
        var direct = DirectLogitAttribution.run(model, NUMBERS, question);
        assertThat(found.measured()).isEqualTo(direct.measured());
        float[] expected = direct.neurons().values();
        float[] speaks = found.speaks().values();
        for (int i = 0; i < speaks.length; i++) {
          assertThat((double) speaks[i]).isCloseTo(expected[i], within(1e-5));
        }
      }
      assertThatThrownBy(() ->
              NeuronContributions.run(model, NUMBERS, plain.measuredBy(Metric.LOG_PROB), config))
          .hasMessageContaining("Only logits are sums of their parts");
      assertThat(plain.withFoil(7).measuredBy(Metric.KL).linear()).isEqualTo(difference);
      assertThat(plain.measuredBy(Metric.KL).linear()).isEqualTo(plain);
      assertThat(plain.withFoil(7).linear()).isEqualTo(plain.withFoil(7));
    }
  }

  @Test
  void wellPlacedRefusals() {
    try (var bert = TinyModels.bert(DType.F64);
        var llama = TinyModels.llama(DType.F64)) {
      assertThatThrownBy(
              () -> ValueVectors.read(bert.model(), NUMBERS, 0, new int[0], 5, Reading.RAW))
          .hasMessageContaining("transforms the stream before it");
      assertThatThrownBy(
              () -> ValueVectors.read(llama.model(), NUMBERS, 0, new int[] {99}, 5, Reading.RAW))
          .hasMessageContaining("no neuron 99");
      assertThatThrownBy(
              () -> ValueVectors.read(llama.model(), NUMBERS, 9, new int[0], 5, Reading.RAW))
          .hasMessageContaining("no layer 9");
      assertThatThrownBy(
              () -> ValueVectors.read(llama.model(), NUMBERS, 0, new int[0], 5, Reading.FROZEN))
          .hasMessageContaining("needs a prompt");
    }
  }
}
