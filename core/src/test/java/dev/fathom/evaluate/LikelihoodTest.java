package dev.fathom.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.evaluate.Likelihood.Config;
import dev.fathom.evaluate.Likelihood.Start;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class LikelihoodTest {
  private static final Config STANDARD = Config.standard();
  private static final int START = 3;

  /// Rows of mixed lengths in mixed order, some equal in length, one of a single token, one of
  /// none.
  private static final List<int[]> ROWS =
      IntStream.of(7, 2, 12, 7, 1, 30, 0, 12, 7, 5)
          .mapToObj(length -> TinyModel.idArray(length, 100 + length))
          .toList();

  static Stream<Variant> decoders() {
    return TinyModels.some(DType.F32).stream().filter(Variant::causal);
  }

  /// What a textbook would do: one row, all logits, log-softmax, pick.
  private static double[] byFullForward(Transformer model, int[] ids) {
    double[] picked = new double[Math.max(0, ids.length - 1)];
    if (picked.length > 0) {
      try (var scope = Scope.withoutGradients()) {
        Tensor logits =
            model.forward(Tensor.of(ids, ids.length), Pass.over(Layout.single(ids.length)));
        double[] all = logits.to(DType.F64).logSoftmax(-1).toDoubles();
        for (int i = 0; i < picked.length; i++) {
          picked[i] = all[i * model.outputs() + ids[i + 1]];
        }
      }
    }
    return picked;
  }

  private static int[] starting(int[] ids) {
    return IntStream.concat(IntStream.of(START), IntStream.of(ids)).toArray();
  }

  private static void assertClose(List<float[]> found, List<double[]> expected) {
    assertThat(found).hasSameSizeAs(expected);
    for (int r = 0; r < found.size(); r++) {
      assertThat(found.get(r)).as("row %d", r).hasSameSizeAs(expected.get(r));
      for (int i = 0; i < found.get(r).length; i++) {
        assertThat((double) found.get(r)[i])
            .as("row %d, token %d", r, i)
            .isCloseTo(expected.get(r)[i], within(1e-5));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void rowsTogetherGiveWhatEachGivesByFullForward(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      assertClose(
          Likelihood.of(tiny.model(), ROWS, STANDARD),
          ROWS.stream().map(ids -> byFullForward(tiny.model(), ids)).toList());
    }
  }

  /// Triples and a pair that begin alike, one row that is another's beginning, one that is there
  /// twice, and some that share nothing.
  private static List<int[]> beginningAlike() {
    var rows = new ArrayList<int[]>();
    for (int i = 0; i < 4; i++) {
      int[] prefix = TinyModel.idArray(3 + i % 3, 40 + i);
      for (int end = 0; end < (i == 3 ? 2 : 3); end++) {
        int[] rest = TinyModel.idArray(1 + (end + i) % 3, 70 + 3 * i + end);
        rows.add(IntStream.concat(IntStream.of(prefix), IntStream.of(rest)).toArray());
      }
    }
    rows.add(rows.getFirst().clone());
    rows.add(Arrays.copyOf(rows.get(4), rows.get(4).length - 1));
    rows.addAll(ROWS);
    return rows;
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void rowsThatBeginAlikeAreReadTogetherAndGiveWhatEachGivesAlone(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      List<int[]> rows = beginningAlike();
      assertClose(
          Likelihood.of(tiny.model(), rows, STANDARD),
          rows.stream().map(ids -> byFullForward(tiny.model(), ids)).toList());
    }
  }

  @Test
  void whatRowsBeginWithIsReadOnce() {
    List<int[]> read =
        beginningAlike().stream()
            .map(ids -> Arrays.copyOf(ids, Math.max(0, ids.length - 1)))
            .filter(ids -> ids.length > 0)
            .toList();
    List<SharedPrefixes.Cluster> clusters = SharedPrefixes.of(read);
    assertThat(clusters.stream().flatMap(c -> c.rows().stream()))
        .containsExactlyInAnyOrderElementsOf(IntStream.range(0, read.size()).boxed().toList());
    assertThat(clusters).anySatisfy(c -> assertThat(c.rows()).hasSizeGreaterThanOrEqualTo(3));
    for (SharedPrefixes.Cluster cluster : clusters) {
      int[] first = read.get(cluster.rows().getFirst());
      for (int row : cluster.rows()) {
        assertThat(read.get(row)).hasSizeGreaterThan(cluster.shared());
        assertThat(Arrays.copyOf(read.get(row), cluster.shared()))
            .isEqualTo(Arrays.copyOf(first, cluster.shared()));
      }
    }
  }

  @Test
  void theBestWayToShareIsTaken() {
    List<int[]> rows =
        List.of(
            new int[] {1, 2, 3, 4, 5, 6},
            new int[] {1, 2, 9},
            new int[] {1, 2, 3, 4, 5, 7},
            new int[] {8, 8},
            new int[] {1, 2, 9, 4});
    assertThat(SharedPrefixes.of(rows))
        .containsExactlyInAnyOrder(
            new SharedPrefixes.Cluster(5, List.of(0, 2)),
            new SharedPrefixes.Cluster(2, List.of(1, 4)),
            new SharedPrefixes.Cluster(0, List.of(3)));
  }

  @Test
  void theTokensReadAtOnceChangeNothing() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      List<double[]> expected = ROWS.stream().map(ids -> byFullForward(tiny.model(), ids)).toList();
      for (int tokens : new int[] {1, 8, 29, 1000}) {
        assertClose(Likelihood.of(tiny.model(), ROWS, STANDARD.tokensAtOnce(tokens)), expected);
      }
    }
  }

  @Test
  void theOrderOfRowsChangesOnlyTheOrderOfResults() {
    try (var tiny = TinyModels.gpt2(DType.F32)) {
      List<float[]> inOrder = Likelihood.of(tiny.model(), ROWS, STANDARD);
      var order = new ArrayList<>(IntStream.range(0, ROWS.size()).boxed().toList());
      Collections.shuffle(order, new Random(5));
      List<float[]> shuffled =
          Likelihood.of(tiny.model(), order.stream().map(ROWS::get).toList(), STANDARD);
      assertClose(shuffled, order.stream().map(r -> widened(inOrder.get(r))).toList());
    }
  }

  private static double[] widened(float[] values) {
    return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
  }

  @Test
  void aStartTokenInContextIsThatRowWithTheTokenInFront() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      assertClose(
          Likelihood.of(tiny.model(), ROWS, STANDARD.starting(Start.IN_CONTEXT, START)),
          ROWS.stream().map(ids -> byFullForward(tiny.model(), starting(ids))).toList());
    }
  }

  @Test
  void aStartTokenForTheFirstOnlyLeavesTheOthersAsTheyAre() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      List<double[]> expected = new ArrayList<>();
      for (int[] ids : ROWS) {
        double[] rest = byFullForward(tiny.model(), ids);
        double[] all = new double[ids.length];
        if (ids.length > 0) {
          all[0] = byFullForward(tiny.model(), new int[] {START, ids[0]})[0];
          System.arraycopy(rest, 0, all, 1, rest.length);
        }
        expected.add(all);
      }
      assertClose(
          Likelihood.of(tiny.model(), ROWS, STANDARD.starting(Start.FIRST_ONLY, START)), expected);
    }
  }

  @Test
  void theProbabilitiesOfAllNextTokensSumToOne() {
    try (var tiny = TinyModels.gemma(DType.F32)) {
      int[] past = TinyModel.idArray(6, 9);
      List<int[]> rows =
          IntStream.range(0, TinyModels.VOCABULARY)
              .mapToObj(next -> IntStream.concat(IntStream.of(past), IntStream.of(next)).toArray())
              .toList();
      double total =
          Likelihood.of(tiny.model(), rows, STANDARD).stream()
              .mapToDouble(values -> Math.exp(values[past.length - 1]))
              .sum();
      assertThat(total).isCloseTo(1, within(1e-5));
    }
  }

  @Test
  void aSumIsAccumulatedInDoublePrecision() {
    float[] values = new float[1_000_000];
    Arrays.fill(values, -0.1f);
    assertThat(Likelihood.sum(values)).isCloseTo(-0.1f * 1e6, within(1e-6));
  }

  @Test
  void noRowsGiveNoValues() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      assertThat(Likelihood.of(tiny.model(), List.of(), STANDARD)).isEmpty();
    }
  }

  @Test
  void anEncoderIsRefused() {
    try (var tiny = TinyModels.bert(DType.F32)) {
      assertThatThrownBy(() -> Likelihood.of(tiny.model(), ROWS, STANDARD))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("use a causal model");
    }
  }

  @Test
  void anIdOutsideTheVocabularyIsRefusedWithItsRow() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      List<int[]> rows = List.of(new int[] {1, 2}, new int[] {1, TinyModels.VOCABULARY});
      assertThatThrownBy(() -> Likelihood.of(tiny.model(), rows, STANDARD))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("row 1: token id 50 is not in this model's vocabulary of 50");
    }
  }

  @Test
  void aRowLongerThanTheContextIsRefusedWithItsNumber() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      List<int[]> rows =
          List.of(new int[] {1}, TinyModel.idArray(TinyModels.CONTEXT + 2, 1), new int[] {2, 3});
      assertThatThrownBy(() -> Likelihood.of(tiny.model(), rows, STANDARD))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("row 1 has 66 tokens")
          .hasMessageContaining("at most 64");
      List<int[]> justFits = List.of(TinyModel.idArray(TinyModels.CONTEXT + 1, 1));
      assertThat(Likelihood.of(tiny.model(), justFits, STANDARD).getFirst())
          .hasSize(TinyModels.CONTEXT);
    }
  }

  @Test
  void aStartWithoutItsTokenIsRefused() {
    assertThatThrownBy(() -> new Config(Start.IN_CONTEXT, OptionalInt.empty(), 10))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("predicting first tokens needs a start token");
  }

  @Test
  void whatATapChangesIsScored() {
    try (var tiny = TinyModels.llama(DType.F64);
        var scope = Scope.withoutGradients()) {
      Transformer model = tiny.model();
      Tensor step = Tensor.of(new Random(1).doubles(model.dModel()).toArray(), model.dModel());
      Tap tap = Taps.add(Slice.of(Kind.RESID_POST, 1), step, 2);
      int[] row = TinyModel.idArray(12, 1);
      int[] other = row.clone();
      other[11] = (row[11] + 1) % TinyModels.VOCABULARY;
      List<float[]> found = Likelihood.of(model, List.of(row, other), STANDARD, tap);
      Tensor logits =
          model.forward(Tensor.of(row, row.length), Pass.over(Layout.single(row.length)).with(tap));
      double[] all = logits.logSoftmax(-1).toDoubles();
      for (int i = 0; i < 11; i++) {
        assertThat((double) found.getFirst()[i])
            .isCloseTo(all[i * model.outputs() + row[i + 1]], within(1e-5));
      }
      assertThat(found.getLast()[9]).isEqualTo(found.getFirst()[9]);
      var start = STANDARD.starting(Start.FIRST_ONLY, START);
      assertThat(Likelihood.of(model, List.of(row), start, tap).getFirst()[0])
          .isNotEqualTo(Likelihood.of(model, List.of(row), start).getFirst()[0]);
      Tap head = Taps.zero(Slice.of(Site.of(Kind.FINAL_NORM)));
      assertThatThrownBy(() -> Likelihood.of(model, List.of(row), STANDARD, head))
          .hasMessageContaining("without the head's sites");
    }
  }
}
