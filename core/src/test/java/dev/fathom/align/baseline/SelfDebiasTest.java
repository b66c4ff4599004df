package dev.fathom.align.baseline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.Fittings;
import dev.fathom.align.Remedy;
import dev.fathom.align.Words;
import dev.fathom.evaluate.Likelihood;
import dev.fathom.evaluate.Likelihood.Start;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generation;
import dev.fathom.model.Generator;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import dev.fathom.text.SpecialTokens;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SelfDebiasTest {
  private static final int START = Words.BOS;

  /// Small models spread their probability: only a strong decay and a floor near 1 show anything.
  private static final SelfDebias STRONG = new SelfDebias(400, 0.05);

  @BeforeAll
  static void oneThread() {
    Threads.set(1); // more only wait for each other over products this small
  }

  static List<String> decoders() throws IOException {
    return Fittings.decoders();
  }

  private static Remedy.Treated treated(SelfDebias method, Transformer model) {
    return method.fit(Fittings.of(model, Fittings.GENDER)).applied(model);
  }

  private static int[] announcement(Transformer model) {
    return new Words(model.outputs(), true)
        .encode(SelfDebias.announcement("gender"), SpecialTokens.NONE)
        .ids();
  }

  /// Rows of several lengths, equal ones among them; some begin with the start token.
  private static List<int[]> rows(Transformer model) {
    var random = new Random(4);
    return IntStream.of(5, 3, 1, 5, 2, 7)
        .mapToObj(n -> {
          int[] row = random.ints(n, 2, model.outputs()).toArray();
          row[0] = n == 3 || n == 7 ? START : row[0];
          return row;
        })
        .toList();
  }

  private static int[] joined(int[]... parts) {
    return Arrays.stream(parts).flatMapToInt(Arrays::stream).toArray();
  }

  /// Probabilities after the last of some tokens, read alone.
  private static double[] probabilities(Transformer model, int[] ids) {
    try (var scope = Scope.withoutGradients()) {
      Pass pass = Pass.over(Layout.single(ids.length)).with(Wanted.LAST);
      return model.forward(Tensor.of(ids, ids.length), pass).softmax(-1).toDoubles();
    }
  }

  /// The rule on plain numbers.
  private static double[] oracle(double[] p, double[] biased, SelfDebias method) {
    double[] q = new double[p.length];
    double sum = 0;
    for (int i = 0; i < p.length; i++) {
      double weight =
          Math.max(Math.exp(-method.decay() * Math.max(0, biased[i] - p[i])), method.floor());
      q[i] = p[i] * weight;
      sum += q[i];
    }
    for (int i = 0; i < q.length; i++) {
      q[i] /= sum;
    }
    return q;
  }

  /// Of the next token after `before`.
  private static double[] oracle(Transformer model, int[] before, SelfDebias method) {
    int first = before[0] == START ? 1 : 0;
    int[] biased =
        joined(
            Arrays.copyOf(before, first),
            announcement(model),
            Arrays.copyOfRange(before, first, before.length));
    return oracle(probabilities(model, before), probabilities(model, biased), method);
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void everyTokenHasTheProbabilityOfTheRule(String family) {
    try (Transformer model = Fittings.load(family, DType.F64);
        Remedy.Treated treated = treated(STRONG, model)) {
      List<int[]> rows = rows(model);
      for (Start start : Start.values()) {
        var config =
            start == Start.NONE
                ? Likelihood.Config.standard().tokensAtOnce(20)
                : Likelihood.Config.standard().starting(start, START).tokensAtOnce(20);
        List<float[]> found = treated.scorer().score(rows, config);
        for (int r = 0; r < rows.size(); r++) {
          int[] row = rows.get(r);
          int unpredicted = start == Start.NONE ? 1 : 0;
          assertThat(found.get(r)).hasSize(row.length - unpredicted);
          for (int i = unpredicted; i < row.length; i++) {
            int[] before = Arrays.copyOf(row, i);
            if (start == Start.IN_CONTEXT || i == 0) {
              before = joined(new int[] {START}, before);
            }
            double expected = Math.log(oracle(model, before, STRONG)[row[i]]);
            assertThat((double) found.get(r)[i - unpredicted])
                .as("%s %s row %d token %d", family, start, r, i)
                .isCloseTo(expected, within(2e-5));
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void wholeRowsAndSessionsSayTheSame(String family) {
    try (Transformer model = Fittings.load(family, DType.F64);
        var scope = Scope.withoutGradients();
        Remedy.Treated treated = treated(STRONG, model)) {
      LanguageModel twice = treated.model();
      List<int[]> rows = rows(model);
      int[] all = joined(rows.toArray(int[][]::new));
      var layout = Layout.rows(rows.stream().mapToInt(row -> row.length).toArray());
      Tensor whole = twice.logits(Tensor.of(all, all.length), layout, Wanted.ALL);
      Tensor last = twice.logits(Tensor.of(all, all.length), layout, Wanted.LAST.columns(4, 2));
      try (var session = twice.session(1)) {
        for (int r = 0; r < rows.size(); r++) {
          int[] row = rows.get(r);
          session.truncate(0, 0);
          double[] logits = {};
          for (int i = 0; i < row.length; i++) {
            logits = session.append(List.of(new int[] {row[i]})).toDoubles();
            double[] expected = whole.select(0, layout.offsets()[r] + i).toDoubles();
            Projections.assertClose(logits, expected, 1e-9);
          }
          double[] asked = last.select(0, r).toDoubles();
          assertThat(asked).hasSize(2);
          assertThat(asked[0]).isCloseTo(logits[4], within(1e-9));
          assertThat(asked[1]).isCloseTo(logits[2], within(1e-9));
          assertThat(session.tokens(0)).isEqualTo(row);
        }
      }
      double[] expected = oracle(model, rows.getFirst(), STRONG);
      double[] found = whole.select(0, rows.getFirst().length - 1).exp().toDoubles();
      Projections.assertClose(found, expected, 1e-9);
    }
  }

  @Test
  void rowsOfASessionAreKeptForkedAndCut() {
    try (Transformer model = Fittings.load("llama", DType.F64);
        var scope = Scope.withoutGradients();
        Remedy.Treated treated = treated(STRONG, model);
        var session = treated.model().session(3)) {
      int[] a = {START, 5, 6};
      int[] b = {9, 8};
      int[] c = {7, 7, 7, 7};
      var _ = session.append(List.of(a, b, c));
      session.select(2, 0, 0);
      session.truncate(1, 2);
      assertThat(session.rows()).isEqualTo(3);
      Tensor next = session.append(List.of(new int[] {3}, new int[] {4}, new int[] {4}));
      int[][] expected = {{7, 7, 7, 7, 3}, {START, 5, 4}, {START, 5, 6, 4}};
      for (int row = 0; row < 3; row++) {
        assertThat(session.tokens(row)).isEqualTo(expected[row]);
        Projections.assertClose(
            next.select(0, row).exp().toDoubles(), oracle(model, expected[row], STRONG), 1e-9);
      }
      assertThat(session.bytes()).isPositive();
      assertThatThrownBy(() -> session.tokens(3)).hasMessageContaining("no row 3 among 3");
    }
  }

  @Test
  void withoutDecayNothingChanges() {
    try (Transformer model = Fittings.load("gpt2", DType.F32);
        Remedy.Treated treated = treated(new SelfDebias(0, 0.01), model)) {
      List<int[]> rows = rows(model);
      var config = Likelihood.Config.standard().starting(Start.FIRST_ONLY, START);
      List<float[]> plain = TokenScorer.of(model).score(rows, config);
      List<float[]> found = treated.scorer().score(rows, config);
      for (int r = 0; r < rows.size(); r++) {
        for (int i = 0; i < plain.get(r).length; i++) {
          assertThat(found.get(r)[i]).isCloseTo(plain.get(r)[i], within(1e-5f));
        }
      }
    }
  }

  /// As where the announcement says nothing: a model that predicts the same everywhere.
  @Test
  void whereTheAnnouncementChangesNothingNothingChanges() {
    double[] p = {0.5, 0.3, 0.2};
    assertThat(oracle(p, p, STRONG)).containsExactly(0.5, 0.3, 0.2);
    double[] biased = {0.1, 0.6, 0.3};
    double[] q = oracle(p, biased, SelfDebias.standard());
    assertThat(q[0]).isGreaterThan(p[0]);
    assertThat(q[1]).isLessThan(p[1]);
  }

  @Test
  void noTokenBecomesImpossible() {
    try (Transformer model = Fittings.load("llama", DType.F32);
        var scope = Scope.withoutGradients();
        Remedy.Treated treated = treated(new SelfDebias(1e30, 1e-30), model)) {
      int[] ids = {START, 5, 9, 4};
      double[] logits =
          treated.model().logits(Tensor.of(ids, 4), Layout.single(4), Wanted.ALL).toDoubles();
      assertThat(Arrays.stream(logits).allMatch(Double::isFinite)).isTrue();
      assertThat(Arrays.stream(logits).min().orElseThrow()).isLessThan(-50);
    }
  }

  @Test
  void itGenerates() {
    try (Transformer model = Fittings.load("llama", DType.F32);
        Remedy.Treated treated = treated(STRONG, model)) {
      var words = new Words(model.outputs(), true);
      int[] prompt = {START, 5, 9};
      Generation found = Generator.of(treated.model(), words).run(prompt, Decoding.greedy(6));
      int[] read = prompt;
      for (int token : found.tokens()) {
        double[] p = oracle(model, read, STRONG);
        assertThat(p[token]).isCloseTo(Arrays.stream(p).max().orElseThrow(), within(1e-6));
        read = joined(read, new int[] {token});
      }
      assertThat(found.tokens()).hasSize(6);
      assertThat(treated.model().card().name()).endsWith("+ self-debias");
      assertThat(treated.model().card().context())
          .isEqualTo(model.card().context() - announcement(model).length);
      assertThat(treated.transformer()).isEmpty();
    }
  }

  @Test
  void tooLongRowsAndStrangeTokensAreRefused() {
    try (Transformer model = Fittings.load("gpt2", DType.F32);
        Remedy.Treated treated = treated(STRONG, model)) {
      int most = treated.model().card().context();
      var config = Likelihood.Config.standard();
      assertThatThrownBy(() -> treated.scorer().score(List.of(new int[most + 2]), config))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("behind the announcement this model reads at most " + most);
      assertThat(treated.scorer().score(List.of(new int[most + 1]), config).getFirst())
          .hasSize(most);
      assertThatThrownBy(
              () -> treated.scorer().score(List.of(new int[] {1, model.outputs()}), config))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("row 0: token id " + model.outputs());
    }
  }

  @Test
  void encodersAreRefused() {
    try (Transformer model = Fittings.load("bert_mlm", DType.F32)) {
      assertThatThrownBy(() -> treated(STRONG, model))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("encoder");
    }
  }

  @Test
  void itIsDescribed() {
    assertThat(SelfDebias.grid()).hasSize(8).contains(SelfDebias.standard());
    assertThat(SelfDebias.announcement("race"))
        .isEqualTo("The following text discriminates against people because of their race/color: ");
    assertThat(SelfDebias.standard().settings())
        .containsEntry("decay", "50")
        .containsEntry("floor", "0.01");
  }
}
