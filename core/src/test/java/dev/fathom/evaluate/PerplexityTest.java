package dev.fathom.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.evaluate.Perplexity.Config;
import dev.fathom.model.Numbers;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PerplexityTest {
  private static final OptionalInt NONE = OptionalInt.empty();
  private static final int[] TEXT = TinyModel.idArray(150, 4);

  /// Knows nothing of a vocabulary of 50.
  private static final TokenScorer UNIFORM =
      (rows, config) ->
          rows.stream()
              .map(row -> {
                float[] values = new float[Math.max(0, row.length - 1)];
                Arrays.fill(values, (float) -Math.log(50));
                return values;
              })
              .toList();

  /// Says of each token its own id as the loss, and writes down what it read and how much.
  private static final class Ids implements TokenScorer {
    private final List<Integer> longest = new ArrayList<>();

    @Override
    public List<float[]> score(List<int[]> rows, Likelihood.Config config) {
      rows.forEach(row -> longest.add(row.length));
      return rows.stream()
          .map(row -> {
            float[] values = new float[row.length - 1];
            for (int i = 0; i < values.length; i++) {
              values[i] = -row[i + 1];
            }
            return values;
          })
          .toList();
    }
  }

  @ParameterizedTest
  @CsvSource({"20, 20", "20, 7", "20, 1", "149, 149", "300, 300", "2, 1"})
  void eachTokenAfterTheFirstIsCountedOnce(int window, int stride) {
    int[] text = IntStream.range(1000, 1150).toArray();
    var scorer = new Ids();
    double nats = Perplexity.nats(scorer, text, NONE, new Config(window, stride, false));
    assertThat(nats).isCloseTo(IntStream.of(text).skip(1).average().orElseThrow(), within(1e-6));
    assertThat(scorer.longest).allSatisfy(length -> assertThat(length - 1).isBetween(1, window));
    nats = Perplexity.nats(scorer, text, OptionalInt.of(3), new Config(window, stride, false));
    assertThat(nats).isCloseTo(IntStream.of(text).average().orElseThrow(), within(1e-6));
    assertThat(scorer.longest).allSatisfy(length -> assertThat(length - 1).isBetween(1, window));
  }

  @ParameterizedTest
  @CsvSource({"20, 20, false", "20, 7, false", "20, 20, true", "20, 5, true", "149, 149, true"})
  void whoKnowsNothingIsAsPerplexedAsTheVocabularyIsLarge(
      int window, int stride, boolean biasBench) {
    double nats = Perplexity.nats(UNIFORM, TEXT, NONE, new Config(window, stride, biasBench));
    assertThat(Math.exp(nats)).isCloseTo(50, within(biasBench && window == 149 ? 1.5 : 1e-4));
  }

  @Test
  void aWindowThatHoldsTheTextIsOneRow() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      int[] ids = TinyModel.idArray(60, 1);
      float[] row =
          Likelihood.of(tiny.model(), List.of(ids), Likelihood.Config.standard()).getFirst();
      double nats =
          Perplexity.nats(
              TokenScorer.of(tiny.model()), ids, NONE, Config.standard(TinyModels.CONTEXT));
      assertThat(nats).isCloseTo(-Likelihood.sum(row) / 59, within(1e-6)).isPositive();
    }
  }

  @Test
  void whatIsReadTogetherChangesNothing() {
    try (var tiny = TinyModels.gpt2(DType.F32)) {
      var config = new Config(16, 5, false);
      double together = Perplexity.nats(TokenScorer.of(tiny.model()), TEXT, NONE, config);
      TokenScorer single =
          (rows, reading) ->
              rows.stream()
                  .map(row -> Likelihood.of(tiny.model(), List.of(row), reading).getFirst())
                  .toList();
      assertThat(Perplexity.nats(single, TEXT, NONE, config)).isCloseTo(together, within(1e-6));
    }
  }

  /// Two windows: 1 2 3 4 and 5 6 7; losses are the ids; their first tokens are not predicted.
  @Test
  void biasBenchLetsAWindowsMeanStandForItsFirstToken() {
    int[] text = {1, 2, 3, 4, 5, 6, 7};
    double expected = (4 * (2 + 3 + 4) / 3.0 + 3 * (6 + 7) / 2.0) / 7;
    assertThat(Perplexity.nats(new Ids(), text, NONE, new Config(4, 4, true)))
        .isCloseTo(expected, within(1e-9));
  }

  /// Windows of 4, 2 apart: 1 2 | 1 2 3 4 | 3 4 5 6 | 5 6 7, of which the last two count.
  @Test
  void biasBenchWithAShorterStridePredictsAllButTheFirst() {
    int[] text = {1, 2, 3, 4, 5, 6, 7};
    double expected = (2 * 2 + 2 * (3 + 4) / 2.0 + 2 * (5 + 6) / 2.0 + 7) / 7;
    assertThat(Perplexity.nats(new Ids(), text, NONE, new Config(4, 2, true)))
        .isCloseTo(expected, within(1e-9));
  }

  @Test
  void aTextIsReadAndTheResultSaysHow() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      String text = IntStream.of(TEXT).mapToObj(Integer::toString).collect(Collectors.joining(" "));
      var done = new AtomicInteger();
      PerplexityResult result =
          Perplexity.run(
              tiny.model(),
              TokenScorer.of(tiny.model()),
              new Numbers(50),
              text,
              new Config(32, 16, false),
              done::addAndGet);
      assertThat(result.tokens()).isEqualTo(150);
      assertThat(result.predicted()).isEqualTo(149);
      assertThat(result.windows()).isEqualTo(10).isEqualTo(done.get());
      assertThat(result.perplexity()).isGreaterThan(1).isEqualTo(Math.exp(result.nats()));
      assertThat(result.bits()).isCloseTo(result.nats() / Math.log(2), within(1e-12));
      assertThat(result.views().getLast().toString())
          .contains("10 windows of 32 tokens, 16 apart; start token: none");
    }
  }

  @Test
  void whatMakesNoSenseIsRefused() {
    assertThatThrownBy(() -> new Config(1, 1, false)).hasMessageContaining("at least 2 tokens");
    assertThatThrownBy(() -> new Config(8, 9, false))
        .hasMessage("the stride should be 1 to 8, the window; found 9");
    assertThatThrownBy(() -> Perplexity.nats(UNIFORM, new int[] {4}, NONE, new Config(8, 8, false)))
        .hasMessageContaining("no token that could be predicted");
    try (var tiny = TinyModels.llama(DType.F32)) {
      assertThatThrownBy(() ->
              Perplexity.run(
                  tiny.model(),
                  UNIFORM,
                  new Numbers(50),
                  "1 2 3",
                  new Config(65, 65, false),
                  _ -> {}))
          .hasMessage("a window of 65 tokens is more than this model reads, 64");
    }
  }
}
