package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.model.Generation.Stop;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BeamSearchTest {
  private static final int STOP = 2;
  private static final int WORDS = 4;

  /// A model that knows its first four tokens only.
  private static Transformer fewWords(Transformer model) {
    var head = (Head.Unembedding) model.head();
    Linear out = head.out();
    Linear few =
        new Linear(
            dev.fathom.tensor.Weight.of(out.weight().values().narrow(0, 0, WORDS)),
            null,
            new Linear.Origin("few", 0, WORDS, false));
    return new Transformer(
        model.card(),
        model.embedding(),
        model.blocks(),
        new Head.Unembedding(head.norm(), few, 1, 0),
        () -> {});
  }

  private record Text(List<Integer> tokens, double logProbability) {
    double score(double lengthPenalty) {
      return logProbability / Math.pow(tokens.size(), lengthPenalty);
    }
  }

  /// Every text that ends with the stop token or has `length` tokens.
  private static List<Text> every(Transformer model, int[] prompt, int length, Set<Integer> stops) {
    var ended = new ArrayList<Text>();
    var open = List.of(new Text(List.of(), 0));
    while (!open.isEmpty()) {
      var longer = new ArrayList<Text>();
      for (Text text : open) {
        int[] ids =
            IntStream.concat(
                    Arrays.stream(prompt), text.tokens.stream().mapToInt(Integer::intValue))
                .toArray();
        try (var scope = Scope.withoutGradients()) {
          double[] next =
              model
                  .logits(Tensor.of(ids, ids.length), Layout.single(ids.length), Wanted.LAST)
                  .logSoftmax(-1)
                  .toDoubles();
          for (int id = 0; id < next.length; id++) {
            var tokens = new ArrayList<>(text.tokens);
            tokens.add(id);
            var extended = new Text(tokens, text.logProbability + next[id]);
            (stops.contains(id) || tokens.size() == length ? ended : longer).add(extended);
          }
        }
      }
      open = longer;
    }
    return ended;
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6})
  void wideEnoughItFindsTheBestOfAllTexts(long seed) {
    try (var tiny = TinyModels.llama(DType.F64);
        var scope = Scope.withoutGradients()) {
      Transformer model = fewWords(tiny.model());
      int[] prompt = TinyModel.idArray(4, seed);
      for (double lengthPenalty : new double[] {0, 1}) {
        var stops = lengthPenalty == 0 ? Set.of(STOP) : Set.<Integer>of();
        var best =
            every(model, prompt, 4, stops).stream()
                .max(Comparator.comparingDouble(text -> text.score(lengthPenalty)))
                .orElseThrow();
        var found =
            Generator.of(model)
                .run(
                    prompt,
                    Decoding.greedy(4)
                        .stopAt(stops)
                        .withBeams(WORDS * WORDS * WORDS, lengthPenalty));
        assertThat(found.tokens()).isEqualTo(best.tokens);
      }
    }
  }

  @Test
  void oneBeamIsGreedy() {
    try (var tiny = TinyModels.gemma(DType.F64)) {
      for (long seed = 0; seed < 5; seed++) {
        int[] prompt = TinyModel.idArray(5, seed);
        var decoding = Decoding.greedy(8);
        var one =
            new BeamSearch(
                    tiny.model(),
                    Tap.NONE,
                    decoding,
                    tokens -> tokens.length == 8 ? Stop.MAX_TOKENS : null)
                .run(prompt);
        assertThat(Arrays.stream(one).boxed().toList())
            .isEqualTo(Generator.of(tiny.model()).run(prompt, decoding).tokens());
      }
    }
  }

  @Test
  void moreBeamsNeverFindLessLikelyTextsOfOneLength() {
    try (var tiny = TinyModels.gpt2(DType.F64)) {
      int[] prompt = TinyModel.idArray(5, 9);
      double greedy =
          logProbability(tiny.model(), Generator.of(tiny.model()).run(prompt, Decoding.greedy(6)));
      double wide =
          logProbability(
              tiny.model(),
              Generator.of(tiny.model()).run(prompt, Decoding.greedy(6).withBeams(16, 1)));
      assertThat(wide).isGreaterThanOrEqualTo(greedy);
    }
  }

  private static double logProbability(Transformer model, Generation text) {
    int[] ids =
        IntStream.concat(
                text.prompt().stream().mapToInt(Integer::intValue),
                text.tokens().stream().mapToInt(Integer::intValue))
            .toArray();
    try (var scope = Scope.withoutGradients()) {
      Tensor all =
          model
              .logits(Tensor.of(ids, ids.length), Layout.single(ids.length), Wanted.ALL)
              .logSoftmax(-1);
      double sum = 0;
      for (int at = text.prompt().size(); at < ids.length; at++) {
        sum += all.select(0, at - 1).select(0, ids[at]).item();
      }
      return sum;
    }
  }

  @Test
  void theLengthPenaltyFavoursLongerTexts() {
    try (var tiny = TinyModels.llama(DType.F64);
        var scope = Scope.withoutGradients()) {
      Transformer model = fewWords(tiny.model());
      int[] prompt = TinyModel.idArray(4, 1);
      var decoding = Decoding.greedy(6).stopAt(Set.of(STOP));
      var generator = Generator.of(model);
      assertThat(generator.run(prompt, decoding.withBeams(64, 8)).tokens())
          .hasSizeGreaterThan(generator.run(prompt, decoding.withBeams(64, -8)).tokens().size());
    }
  }

  @Test
  void aStopTextEndsABeam() {
    try (var tiny = TinyModels.bloom(DType.F32)) {
      var generator = Generator.of(tiny.model(), new ByteTokenizer());
      int[] prompt = TinyModel.idArray(4, 1);
      var wide = Decoding.greedy(8).withBeams(3, 1);
      String first = generator.run(prompt, wide).text().substring(0, 1);
      var cut = generator.run(prompt, wide.stopAt(List.of(first)));
      assertThat(cut.text()).doesNotContain(first);
    }
  }
}
