package dev.fathom.explain.lens;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.data.Prompt;
import dev.fathom.explain.lens.Dola.Divergence;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generation;
import dev.fathom.model.Generator;
import dev.fathom.model.Layout;
import dev.fathom.model.Numbers;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class DolaTest {
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);
  private static final int LENGTH = 7;
  private static final Dola.Config ALL =
      new Dola.Config(List.of(0, 1, 2), Divergence.OFFICIAL, 0.1, true);

  static List<Variant> decoders() {
    return TinyModels.some(DType.F64).stream().filter(Variant::causal).toList();
  }

  /// The definition, a token and a layer at a time.
  private static double[][] naive(TinyModel tiny, int[] ids, Dola.Config config, int[] chosen) {
    double[][] scores = new double[ids.length][];
    Tensor streams = LogitLens.streams(tiny.model(), ids);
    for (int t = 0; t < ids.length; t++) {
      double[] p = distribution(tiny, streams, TinyModels.LAYERS, t);
      double[] best = p;
      double greatest = -1;
      for (int layer : config.candidates()) {
        double[] q = distribution(tiny, streams, layer, t);
        double distance = 0;
        for (int w = 0; w < p.length; w++) {
          double m = (p[w] + q[w]) / 2;
          distance +=
              config.divergence() == Divergence.TEXTBOOK
                  ? p[w] * Math.log(p[w] / m) + q[w] * Math.log(q[w] / m)
                  : m * Math.log(m / p[w]) + m * Math.log(m / q[w]);
        }
        if (distance > greatest) {
          greatest = distance;
          best = q;
          chosen[t] = layer;
        }
      }
      double top = Arrays.stream(p).max().orElseThrow();
      scores[t] = new double[p.length];
      for (int w = 0; w < p.length; w++) {
        scores[t][w] =
            p[w] >= config.relativeTop() * top ? Math.log(p[w] / best[w]) : Dola.EXCLUDED;
      }
    }
    return scores;
  }

  private static double[] distribution(TinyModel tiny, Tensor streams, int layer, int position) {
    Tensor stream = streams.select(0, layer).narrow(0, position, 1);
    return tiny.model().head().of(stream).softmax(-1).toDoubles();
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void scoresAreTheDefinitionsForBothDivergences(Variant variant) {
    for (Divergence divergence : Divergence.values()) {
      try (var tiny = TinyModels.of(variant);
          var scope = Scope.withoutGradients()) {
        Dola.Config config = ALL.with(divergence);
        int[] ids = TinyModel.idArray(LENGTH, 3);
        int[] chosen = new int[LENGTH];
        double[][] expected = naive(tiny, ids, config, chosen);
        var dola = Dola.of(tiny.model(), config);
        double[] found =
            dola.logits(Tensor.of(ids, LENGTH), Layout.single(LENGTH), Wanted.ALL).toDoubles();
        for (int i = 0; i < found.length; i++) {
          assertThat(found[i])
              .isCloseTo(
                  expected[i / TinyModels.VOCABULARY][i % TinyModels.VOCABULARY], within(1e-9));
        }
        DolaResult trace = dola.trace(NUMBERS, Prompt.ofIds(NUMBERS, ids), 1);
        for (int t = 1; t < LENGTH; t++) {
          assertThat(trace.layers().integerAt(t - 1)).isEqualTo(chosen[t - 1]);
          assertThat(trace.scores().at(t - 1)).isCloseTo(expected[t - 1][ids[t]], within(1e-4));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void tokenByTokenIsTheSameAsWholeRows(Variant variant) {
    try (var tiny = TinyModels.of(variant);
        var scope = Scope.withoutGradients()) {
      var dola = Dola.of(tiny.model(), ALL);
      int[] a = TinyModel.idArray(LENGTH, 3);
      int[] b = TinyModel.idArray(LENGTH, 4);
      Tensor whole =
          dola.logits(
              Tensor.of(IntStream.concat(Arrays.stream(a), Arrays.stream(b)).toArray(), 2 * LENGTH),
              Layout.rows(LENGTH, LENGTH),
              Wanted.ALL);
      try (var session = dola.session(2)) {
        for (int t = 0; t < LENGTH; t += t == 0 ? 3 : 1) {
          int from = t;
          int to = t == 0 ? 3 : t + 1;
          double[] next =
              session
                  .append(List.of(Arrays.copyOfRange(a, from, to), Arrays.copyOfRange(b, from, to)))
                  .toDoubles();
          double[] expected = whole.indexSelect(0, to - 1L, LENGTH + to - 1L).toDoubles();
          for (int i = 0; i < next.length; i++) {
            if (expected[i] == Dola.EXCLUDED) {
              assertThat(next[i]).isEqualTo(Double.NEGATIVE_INFINITY);
            } else {
              assertThat(next[i]).isCloseTo(expected[i], within(1e-9));
            }
          }
        }
      }
      double[] last =
          dola.logits(Tensor.of(a, LENGTH), Layout.single(LENGTH), Wanted.LAST.columns(4, 2))
              .toDoubles();
      double[] row = whole.narrow(0, LENGTH - 1, 1).toDoubles();
      assertThat(last).hasSize(2);
      assertThat(last[0]).isCloseTo(row[4], within(1e-9));
      assertThat(last[1]).isCloseTo(row[2], within(1e-9));
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void theModelsOwnBestTokenIsAlwaysInTheHeadSet(Variant variant) {
    try (var tiny = TinyModels.of(variant);
        var scope = Scope.withoutGradients()) {
      int[] ids = TinyModel.idArray(LENGTH, 3);
      Tensor tensor = Tensor.of(ids, LENGTH);
      long[] best =
          tiny.model().logits(tensor, Layout.single(LENGTH), Wanted.ALL).argmax(-1).toLongs();
      // alone in the set when only tokens as likely as itself may be chosen
      var strict = Dola.of(tiny.model(), ALL.withRelativeTop(1));
      Tensor scores = strict.logits(tensor, Layout.single(LENGTH), Wanted.ALL);
      assertThat(scores.argmax(-1).toLongs()).containsExactly(best);
      double[] own = scores.gather(1, Tensor.of(best, LENGTH, 1)).toDoubles();
      assertThat(Arrays.stream(own).min().orElseThrow()).isGreaterThan(Dola.EXCLUDED);
    }
  }

  @Test
  void anAlwaysStrictHeadSetGeneratesAsTheModelItself() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      int[] ids = TinyModel.idArray(LENGTH, 3);
      Generation own = Generator.of(tiny.model()).run(ids, Decoding.greedy(8));
      Generation strict =
          Generator.of(Dola.of(tiny.model(), ALL.withRelativeTop(1))).run(ids, Decoding.greedy(8));
      assertThat(strict.tokens()).isEqualTo(own.tokens());
    }
  }

  @Test
  void theTraceOfAGeneratedTextSaysThatEachTokenWasTheBest() {
    try (var tiny = TinyModels.gpt2(DType.F64);
        var scope = Scope.withoutGradients()) {
      var dola = Dola.of(tiny.model(), ALL);
      int[] ids = TinyModel.idArray(LENGTH, 3);
      Generation text = Generator.of(dola).run(ids, Decoding.greedy(6));
      int[] whole =
          IntStream.concat(Arrays.stream(ids), text.tokens().stream().mapToInt(Integer::intValue))
              .toArray();
      DolaResult trace = dola.trace(NUMBERS, Prompt.ofIds(NUMBERS, whole), LENGTH);
      double[] best =
          dola.logits(Tensor.of(whole, whole.length), Layout.single(whole.length), Wanted.ALL)
              .max(-1, false)
              .toDoubles();
      for (int t = 0; t < 6; t++) {
        assertThat(trace.scores().at(t)).isCloseTo(best[LENGTH - 1 + t], within(1e-5));
      }
      assertThat(trace.views()).hasSize(2);
    }
  }

  @Test
  void divergencesAreZeroForEqualDistributionsOnly() {
    try (var scope = Scope.withoutGradients()) {
      Tensor p = Tensor.of(new double[] {1, 2, 3, -80}, 1, 4).logSoftmax(-1);
      Tensor q = Tensor.of(new double[] {1, 2.1, 3, -900}, 1, 4).logSoftmax(-1);
      for (Divergence divergence : Divergence.values()) {
        assertThat(Dola.distance(divergence, p, p.exp(), p).item()).isCloseTo(0, within(1e-15));
        assertThat(Dola.distance(divergence, p, p.exp(), q).item()).isGreaterThan(1e-5);
        assertThat(Dola.distance(divergence, q, q.exp(), p).item())
            .isCloseTo(Dola.distance(divergence, p, p.exp(), q).item(), within(1e-12));
      }
    }
  }

  @Test
  void theLastLayerAndEncodersAreRefused() {
    try (var tiny = TinyModels.llama(DType.F32);
        var encoder = TinyModels.bert(DType.F32)) {
      assertThatThrownBy(() -> Dola.of(tiny.model(), Dola.Config.at(3)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("cannot be contrasted with layer 3, the last");
      assertThatThrownBy(() -> Dola.of(encoder.model(), Dola.Config.at(1)))
          .hasMessageContaining("encoder");
    }
  }

  @Test
  void candidatesAreEveryOtherLayerOfAHalfAndATiedEmbeddingIsNone() {
    try (var tiny = TinyModels.llama(DType.F32);
        var tied = TinyModels.gpt2(DType.F32)) {
      assertThat(Dola.Config.low(tiny.model()).candidates()).containsExactly(0);
      assertThat(Dola.Config.high(tiny.model()).candidates()).containsExactly(1);
      assertThat(Dola.Config.low(tied.model()).candidates()).containsExactly(2);
    }
  }
}
