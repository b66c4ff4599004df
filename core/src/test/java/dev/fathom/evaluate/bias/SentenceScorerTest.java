package dev.fathom.evaluate.bias;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.evaluate.bias.SentenceScorer.Config;
import dev.fathom.evaluate.bias.SentenceScorer.Context;
import dev.fathom.model.Layout;
import dev.fathom.model.Numbers;
import dev.fathom.model.Pass;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SentenceScorerTest {
  private static final StartToken START = new StartToken(3, "3", "BOS");
  private static final Config OFFICIAL = Config.official(START);

  private static final List<int[]> ROWS =
      IntStream.of(7, 2, 12, 1, 30, 12)
          .mapToObj(length -> TinyModel.idArray(length, 100 + length))
          .toList();

  /// A model that knows nothing of any row.
  private static final TokenScorer UNIFORM =
      (rows, config) ->
          rows.stream()
              .map(row -> {
                float[] values = new float[row.length];
                Arrays.fill(values, (float) -Math.log(50));
                return values;
              })
              .toList();

  private static double log2(Transformer model, int[] before, int next) {
    try (var scope = Scope.withoutGradients()) {
      Tensor logits =
          model.forward(Tensor.of(before, before.length), Pass.over(Layout.single(before.length)));
      double[] all = logits.to(DType.F64).logSoftmax(-1).toDoubles();
      return all[(before.length - 1) * model.outputs() + next] / Math.log(2);
    }
  }

  private static int[] starting(int[] ids) {
    return IntStream.concat(IntStream.of(START.id()), IntStream.of(ids)).toArray();
  }

  @Test
  void theOfficialScoreHasTheStartTokenBeforeTheFirstTokenOnly() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      double[] scores = SentenceScorer.of(tiny.model(), OFFICIAL).score(ROWS);
      for (int r = 0; r < scores.length; r++) {
        int[] ids = ROWS.get(r);
        double sum = log2(tiny.model(), new int[] {START.id()}, ids[0]);
        for (int i = 1; i < ids.length; i++) {
          sum += log2(tiny.model(), Arrays.copyOf(ids, i), ids[i]);
        }
        assertThat(scores[r]).isCloseTo(sum / ids.length, within(1e-5)).isNegative();
      }
    }
  }

  @Test
  void withBosTheStartTokenStaysInContext() {
    try (var tiny = TinyModels.gpt2(DType.F32)) {
      double[] scores = SentenceScorer.of(tiny.model(), OFFICIAL.with(Context.BOS)).score(ROWS);
      for (int r = 0; r < scores.length; r++) {
        int[] ids = starting(ROWS.get(r));
        double sum = 0;
        for (int i = 1; i < ids.length; i++) {
          sum += log2(tiny.model(), Arrays.copyOf(ids, i), ids[i]);
        }
        assertThat(scores[r]).isCloseTo(sum / ROWS.get(r).length, within(1e-5));
      }
    }
  }

  @Test
  void whatIsReadTogetherChangesNothing() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      double[] together = SentenceScorer.of(tiny.model(), OFFICIAL).score(ROWS);
      SentenceScorer few = SentenceScorer.of(tiny.model(), OFFICIAL.tokensAtOnce(5));
      for (int r = 0; r < together.length; r++) {
        assertThat(few.score(List.of(ROWS.get(r)))[0]).isCloseTo(together[r], within(1e-5));
      }
    }
  }

  @Test
  void aModelThatKnowsNothingTiesSentencesOfAnyLength() {
    double[] scores = SentenceScorer.of(UNIFORM, OFFICIAL).score(ROWS);
    assertThat(Arrays.stream(scores).distinct()).hasSize(1);
    assertThat(scores[0]).isCloseTo(-Math.log(50) / Math.log(2), within(1e-6));
  }

  private static List<StereoSetItem> items() {
    var items = new ArrayList<StereoSetItem>();
    for (int i = 0; i < 12; i++) {
      items.add(
          Items.item(
              "i" + i,
              i < 6 ? "gender" : "race",
              "t" + i % 4,
              i + " BLANK 7 " + (9 + i) + (i % 3 == 0 ? " 4 4" : ""),
              "" + (10 + i),
              (20 + i) + " 1",
              "" + (30 + i)));
    }
    return items;
  }

  @Test
  void aModelThatKnowsNothingHasNoScores() {
    SentenceScorer uniform = SentenceScorer.of(UNIFORM, OFFICIAL);
    var scorer = BiasScorer.causal(uniform, new Numbers(50), Context.OFFICIAL, START);
    BiasScores scores =
        BiasScores.of(StereoSetEvaluation.scores(scorer, items()), Bootstrap.standard());
    for (BiasScores.Row row : scores.rows()) {
      assertThat(row.ss()).isZero();
      assertThat(row.lms()).isZero();
      assertThat(row.icat()).isZero();
    }
  }

  @Test
  void eachSentenceGetsItsOwnScore() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var scorer = BiasScorer.causal(tiny.model(), new Numbers(50), Context.OFFICIAL, START);
      List<ScoredItem> scored = StereoSetEvaluation.scores(scorer, items());
      for (int i = 0; i < scored.size(); i++) {
        ScoredItem item = scored.get(i);
        assertThat(item.key()).startsWith("i" + i + "/");
        double[] alone =
            SentenceScorer.of(tiny.model(), OFFICIAL)
                .score(
                    items().get(i).sentences().stream()
                        .map(s -> new Numbers(50).encode(s.text()).ids())
                        .toList());
        assertThat(Stream.of(item.stereotype(), item.antiStereotype(), item.unrelated()))
            .zipSatisfy(
                Arrays.stream(alone).boxed().toList(),
                (found, expected) -> assertThat(found).isCloseTo(expected, within(1e-5)));
      }
      var pair = new CrowsPair(1, "age", true, "1 2 3", "4 2 3");
      ScoredPair two = CrowsEvaluation.scores(scorer, List.of(pair)).getFirst();
      double[] alone =
          SentenceScorer.of(tiny.model(), OFFICIAL)
              .score(List.of(new int[] {1, 2, 3}, new int[] {4, 2, 3}));
      assertThat(two.more()).isCloseTo(alone[0], within(1e-6));
      assertThat(two.less()).isCloseTo(alone[1], within(1e-6));
    }
  }

  @Test
  void aRunThatIsKeptGoesOnAndIsCompared(@TempDir Path folder) throws IOException {
    Path one = folder.resolve("one");
    Path other = folder.resolve("other");
    var settings = new LinkedHashMap<String, String>();
    settings.put("method", "stereoset");
    try (var tiny = TinyModels.llama(DType.F32);
        var second = TinyModels.gpt2(DType.F32)) {
      var scorer = BiasScorer.causal(tiny.model(), new Numbers(50), Context.OFFICIAL, START);
      List<ScoredItem> whole = StereoSetEvaluation.scores(scorer, items());
      try (var kept = ItemDirectory.open(one, settings)) {
        StereoSetEvaluation.scores(scorer, items().subList(0, 5), Optional.of(kept), _ -> {});
      }
      var asked = new AtomicInteger();
      var counting =
          BiasScorer.causal(
              rows -> {
                asked.addAndGet(rows.size());
                return SentenceScorer.of(tiny.model(), OFFICIAL).score(rows);
              },
              new Numbers(50),
              Context.OFFICIAL,
              START);
      var done = new AtomicInteger();
      try (var kept = ItemDirectory.open(one, settings)) {
        List<ScoredItem> resumed =
            StereoSetEvaluation.scores(counting, items(), Optional.of(kept), done::addAndGet);
        for (int i = 0; i < whole.size(); i++) {
          assertThat(resumed.get(i).stereotype())
              .isCloseTo(whole.get(i).stereotype(), within(1e-5));
        }
      }
      assertThat(asked).hasValue(3 * 7);
      assertThat(done).hasValue(12);
      settings.put("model", "another");
      var scorer2 = BiasScorer.causal(second.model(), new Numbers(50), Context.OFFICIAL, START);
      try (var kept = ItemDirectory.open(other, settings)) {
        StereoSetEvaluation.scores(scorer2, items().subList(2, 12), Optional.of(kept), _ -> {});
      }
      StereoSetComparison comparison = StereoSetComparison.of(one, other, Bootstrap.standard());
      assertThat(comparison.unpaired()).isEqualTo(2);
      assertThat(comparison.comparison().pooled().n()).isEqualTo(10);
      assertThat(comparison.different()).hasSize(1);
      assertThat(comparison.arrays()).containsKeys("ss_p", "gap_difference", "n");
      assertThat(comparison.views()).hasSize(7);
    }
  }

  @Test
  void anEmptySentenceIsRefused() {
    assertThatThrownBy(
            () -> SentenceScorer.of(UNIFORM, OFFICIAL).score(List.of(new int[] {1}, new int[] {})))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("sentence 1 has no tokens to score");
  }

  @Test
  void aStartTokenIsAskedForWhereTheTokenizerHasNone() {
    assertThatThrownBy(() -> StartToken.of(new Numbers(50)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("neither BOS nor EOS")
        .hasMessageContaining("--start-token");
    assertThat(StartToken.of(new Numbers(50), Optional.of("7"))).hasToString("7 (id 7, asked for)");
    assertThatThrownBy(() -> StartToken.of(new Numbers(50), Optional.of("77")))
        .hasMessageContaining("The start token 77 is neither an entry");
  }

  @Test
  void logarithmsAreAveragedWithoutLeavingThem() {
    assertThat(Bits.mean(new double[] {-1, -1})).isCloseTo(-1, within(1e-12));
    assertThat(Bits.mean(new double[] {-1, -3}))
        .isCloseTo(Math.log((0.5 + 0.125) / 2) / Math.log(2), within(1e-12));
    assertThat(Bits.mean(new double[] {-5000, -5001})).isBetween(-5001.0, -5000.0);
    assertThat(Bits.mean(new double[] {Double.NEGATIVE_INFINITY}))
        .isEqualTo(Double.NEGATIVE_INFINITY);
  }
}
