package dev.fathom.explain.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.data.Prompt;
import dev.fathom.explain.HeadIndex;
import dev.fathom.explain.Runs;
import dev.fathom.model.Attention;
import dev.fathom.model.Head;
import dev.fathom.model.Kind;
import dev.fathom.model.Linear;
import dev.fathom.model.Norm;
import dev.fathom.model.Numbers;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.Extra;
import dev.fathom.model.TinyModels.Order;
import dev.fathom.model.TinyModels.PositionKind;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Weight;
import dev.fathom.view.Grid;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// OV and QK readings, copying and composition scores.
class HeadCircuitsTest {
  private static final int LENGTH = 5;
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);
  private static final Offset<Double> NEAR = Offset.offset(1e-5);
  private static final HeadIndex HEAD = new HeadIndex(1, 2);

  static Stream<Variant> variants() {
    return TinyModels.some(DType.F64).stream();
  }

  static Stream<Variant> decoders() {
    return variants().filter(Variant::causal);
  }

  private static Prompt prompt() {
    return Prompt.ofIds(NUMBERS, TinyModel.idArray(LENGTH, 3));
  }

  @ParameterizedTest
  @MethodSource("variants")
  void scoresOfTheStreamAtItsPositionsAreThoseOfTheRun(Variant variant) {
    if (variant.has(Extra.SCORE_CAP) || variant.positions() == PositionKind.ALIBI) {
      return; // readings come before cap and ALiBi
    }
    try (var tiny = TinyModels.of(variant);
        var scope = Scope.withoutGradients()) {
      var reading =
          QkReading.run(tiny.model(), NUMBERS, prompt(), HEAD, OvReading.Source.STREAM, true, 3);
      double[] scores =
          Runs.of(tiny.model(), prompt().ids(), Kind.SCORES)
              .at(Kind.SCORES, 1, 0)
              .select(0, 2)
              .toDoubles();
      for (int i = 0; i < scores.length; i++) {
        if (scores[i] > Double.NEGATIVE_INFINITY) {
          assertThat(reading.scores().at(i / LENGTH, i % LENGTH)).isCloseTo(scores[i], NEAR);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void whatAHeadWritesForATokenDiffersAsItsOutputDoes(Variant variant) {
    try (var tiny = TinyModels.of(variant);
        var scope = Scope.withoutGradients()) {
      Transformer model = tiny.model();
      Runs runs = Runs.of(model, prompt().ids(), Kind.ATTN_IN, Kind.V);
      Tensor written = new HeadMaps(model, 1).written(runs.at(Kind.ATTN_IN, 1, 0)).select(0, 2);
      Attention attention = model.blocks().get(1).attention();
      int kv = 2 * attention.kvHeads() / attention.heads();
      Tensor values = runs.at(Kind.V, 1, 0).select(1, kv); // with bias: compare differences
      Tensor out = attention.maps().out().select(0, 2);
      Tensor raw = values.narrow(0, 1, 1).sub(values.narrow(0, 0, 1)).matmul(out);
      Tensor one = Tensor.full(1, DType.F64, 1);
      Tensor expected =
          switch (model.blocks().get(1)) {
            case dev.fathom.model.SequentialBlock b -> raw.mul(b.multiplier());
            case dev.fathom.model.SandwichBlock b -> b.post1().linear(raw, one);
            default -> raw;
          };
      Tensor found = written.narrow(0, 1, 1).sub(written.narrow(0, 0, 1));
      assertThat(found.sub(expected).abs().max().item()).isLessThan(1e-9);

      var reading = OvReading.run(model, NUMBERS, prompt(), HEAD, OvReading.Source.STREAM, 50);
      Head.Unembedding head = (Head.Unembedding) model.head();
      Norm norm = Objects.requireNonNull(head.norm());
      double[] logits =
          norm.linear(written, one)
              .matmul(head.out().weight().values().transpose(0, 1))
              .mul(head.scale())
              .select(0, 3)
              .toDoubles();
      assertThat(reading.topLogits().at(3, 0))
          .isCloseTo(Arrays.stream(logits).max().orElseThrow(), NEAR);
      assertThat(reading.bottomLogits().at(3, 0))
          .isCloseTo(Arrays.stream(logits).min().orElseThrow(), NEAR);
      double own = logits[prompt().ids()[3]];
      assertThat(reading.ownRank().integerAt(3))
          .isEqualTo(Arrays.stream(logits).filter(x -> x > own).count());
      assertThat(reading.top().get(3).get((int) reading.ownRank().integerAt(3)))
          .isEqualTo(Integer.toString(prompt().ids()[3]));
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void compositionIsThatOfTheWholeMatrices(Variant variant) {
    try (var tiny = TinyModels.of(variant);
        var scope = Scope.withoutGradients()) {
      Transformer model = tiny.model();
      var result = Composition.run(model, Optional.of(new HeadIndex(2, 1)));
      Attention.Maps a = new HeadMaps(model, 0).folded();
      Attention.Maps b = new HeadMaps(model, 2).folded();
      Tensor ov = product(a.v(), a.out(), 3);
      Tensor[] read = {
        product(b.q(), b.k(), 1), product(b.k(), b.q(), 1), product(b.v(), b.out(), 1)
      };
      int i = 0;
      for (var input : Composition.Input.values()) {
        Tensor x = read[i++];
        double expected = norm(ov.matmul(x)) / norm(ov) / norm(x);
        Grid scores = Objects.requireNonNull(result.scores().get(input));
        assertThat(scores.at(3, 9)).as(input.title()).isCloseTo(expected, NEAR);
        assertThat(scores.at(9, 3)).isNaN();
        assertThat(scores.at(8, 9)).isNaN();
      }
      assertThat(result.views()).hasSize(3);
    }
  }

  private static Tensor product(Tensor first, Tensor second, int head) {
    return first.select(0, head).transpose(0, 1).matmul(second.select(0, head));
  }

  private static double norm(Tensor x) {
    return Math.sqrt(x.square().sum().item());
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void foldedMapsGiveWhatNormAndMapsGive(Variant variant) {
    try (var tiny = TinyModels.of(variant);
        var scope = Scope.withoutGradients()) {
      Transformer model = tiny.model();
      var maps = new HeadMaps(model, 1);
      Tensor x = HeadMaps.words(model, new long[] {3, 4});
      Tensor read = maps.read(x);
      // both tokens' divisors differ, so compare directions: q folded · x against q of the norm
      Tensor folded = x.matmul(maps.folded().v().select(0, 2).transpose(0, 1));
      Tensor bias = maps.read(x.mul(0));
      Attention.Maps plain = model.blocks().get(1).attention().maps();
      int kv = 2 * model.blocks().get(1).attention().kvHeads() / TinyModels.HEADS;
      Tensor real = read.sub(bias).matmul(plain.v().select(0, kv).transpose(0, 1));
      for (int token = 0; token < 2; token++) {
        Tensor a = folded.select(0, token);
        Tensor b = real.select(0, token);
        assertThat(a.mul(b).sum().item() / norm(a) / norm(b)).isCloseTo(1, Offset.offset(1e-9));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void copyingIsTheShareOfTokensAmongTheirOwnBest(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      var config = new CopyingScores.Config(6, 10, 0);
      var result = CopyingScores.run(tiny.model(), NUMBERS, config);
      int[] ids =
          HeadScores.repeated(tiny.model(), NUMBERS, new HeadScores.Config(6, 1, 0)).getFirst();
      var reading =
          OvReading.run(
              tiny.model(),
              NUMBERS,
              Prompt.ofIds(NUMBERS, Arrays.copyOf(ids, 6)),
              HEAD,
              OvReading.Source.EMBEDDING,
              3);
      long copied = Arrays.stream(reading.ownRank().integers()).filter(r -> r < 10).count();
      assertThat(result.copying().at(1, 2)).isCloseTo(copied / 6.0, NEAR);
    }
  }

  @Test
  void aClassifiersHeadsAreScoredOnItsVocabularyNotItsLabels() {
    try (var scope = Scope.withoutGradients();
        var bert = TinyModels.bert(DType.F64)) {
      Transformer words = bert.model();
      var origin = new Linear.Origin("head", 0, 2, false);
      Tensor pooler = Tensor.zeros(DType.F64, TinyModels.D_MODEL, TinyModels.D_MODEL);
      Tensor out = Tensor.zeros(DType.F64, 2, TinyModels.D_MODEL);
      var head =
          new Head.Classifier(
              new Linear(Weight.of(pooler), null, origin),
              new Linear(Weight.of(out), null, origin));
      try (var labels =
          new Transformer(words.card(), words.embedding(), words.blocks(), head, () -> {})) {
        assertThat(HeadScores.Config.standard(labels)).isEqualTo(HeadScores.Config.standard(words));
        assertThat(CopyingScores.Config.standard(labels).tokens())
            .isEqualTo(TinyModels.VOCABULARY / 2);
      }
    }
  }

  @Test
  void encodersHaveNoLinearWayFromAHeadToWords() {
    try (var bert = TinyModels.bert(DType.F32)) {
      assertThat(bert.variant().order()).isEqualTo(Order.POST_NORM);
      assertThatThrownBy(() ->
              OvReading.run(bert.model(), NUMBERS, prompt(), HEAD, OvReading.Source.EMBEDDING, 3))
          .hasMessageContaining("through a layer that is not linear");
      assertThatThrownBy(() -> Composition.run(bert.model(), Optional.empty()))
          .hasMessageContaining("normalise the stream anew after every sublayer");
    }
  }

  @Test
  void streamingLossesAreTheModelsUntilSomethingIsForgotten() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var text = Prompt.ofIds(NUMBERS, TinyModel.idArray(30, 1));
      var result = StreamingPerplexity.run(tiny.model(), NUMBERS, text, 2, 8);
      assertThat(result.loss().axis(0).labels())
          .containsExactly("all tokens", "first 2 and last 8", "last 10");
      for (int t = 0; t < 10; t++) {
        assertThat(result.loss().at(1, t)).isCloseTo(result.loss().at(0, t), NEAR);
        assertThat(result.loss().at(2, t)).isCloseTo(result.loss().at(0, t), NEAR);
      }
      assertThat(result.perplexity(1)).isNotEqualTo(result.perplexity(0));
      assertThat(result.views()).hasSize(2);
      var longer = Prompt.ofIds(NUMBERS, TinyModel.idArray(70, 1));
      assertThat(StreamingPerplexity.run(tiny.model(), NUMBERS, longer, 0, 8).loss().axis(0).size())
          .isEqualTo(1);
      assertThatThrownBy(() -> StreamingPerplexity.run(tiny.model(), NUMBERS, text, 4, 30))
          .hasMessageContaining("remembers whole");
    }
  }
}
