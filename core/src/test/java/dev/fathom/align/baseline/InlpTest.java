package dev.fathom.align.baseline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.align.AttributeWords;
import dev.fathom.align.Fitting;
import dev.fathom.align.Fittings;
import dev.fathom.align.Remedy;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class InlpTest {
  private static final int N = 300;
  private static final int WIDTH = 12;

  @BeforeAll
  static void oneThread() {
    Threads.set(1); // more only wait for each other over products this small
  }

  /// Three classes along two planted directions, in a space whose axes differ in size.
  @SuppressWarnings("ArrayRecordComponent")
  private record Planted(double[][] rows, int[] classes) {
    static Planted of(long seed) {
      var random = new Random(seed);
      double[][] rows = new double[N][WIDTH];
      int[] classes = new int[N];
      for (int i = 0; i < N; i++) {
        classes[i] = i % 3;
        for (int j = 0; j < WIDTH; j++) {
          rows[i][j] = (1 + j) * 0.3 * random.nextGaussian();
        }
        rows[i][2] += classes[i] == 0 ? 4 : classes[i] == 1 ? -4 : 0;
        rows[i][5] += classes[i] == 2 ? 6 : -3;
      }
      return new Planted(rows, classes);
    }

    Tensor x() {
      double[] all = new double[N * WIDTH];
      for (int i = 0; i < N; i++) {
        System.arraycopy(rows[i], 0, all, i * WIDTH, WIDTH);
      }
      return Tensor.of(all, N, WIDTH);
    }

    List<boolean[]> labellings() {
      var labellings = new ArrayList<boolean[]>();
      for (int k = 0; k < 3; k++) {
        boolean[] own = new boolean[N];
        for (int i = 0; i < N; i++) {
          own[i] = classes[i] == k;
        }
        labellings.add(own);
      }
      return labellings;
    }
  }

  /// Share of rows whose own class has the largest score.
  private static double accuracy(Tensor x, Tensor w, int[] classes) {
    try (var scope = Scope.withoutGradients()) {
      long[] best = x.matmul(w.transpose(0, 1)).argmax(1).toLongs();
      int right = 0;
      for (int i = 0; i < best.length; i++) {
        right += best[i] == classes[i] ? 1 : 0;
      }
      return (double) right / best.length;
    }
  }

  @Test
  void theMachineIsAtItsOneOptimum() {
    try (var scope = Scope.withoutGradients()) {
      Planted data = Planted.of(1);
      for (double c : new double[] {1, 0.01}) {
        Tensor found = SquaredHinge.of(data.x(), data.labellings(), c);
        for (int k = 0; k < 3; k++) {
          double[] w = found.select(0, k).toDoubles();
          double[] gradient = w.clone(); // of ½|w|² + C Σ max(0, 1 − y w·x)²
          double[] atZero = new double[WIDTH];
          for (int i = 0; i < N; i++) {
            double y = data.labellings().get(k)[i] ? 1 : -1;
            double missing = 1;
            for (int j = 0; j < WIDTH; j++) {
              missing -= y * w[j] * data.rows[i][j];
            }
            for (int j = 0; j < WIDTH; j++) {
              gradient[j] -= 2 * c * Math.max(0, missing) * y * data.rows[i][j];
              atZero[j] -= 2 * c * y * data.rows[i][j];
            }
          }
          double steepest = 0;
          for (double each : atZero) {
            steepest = Math.max(steepest, Math.abs(each));
          }
          for (double each : gradient) {
            assertThat(Math.abs(each)).isLessThanOrEqualTo(2e-6 * steepest);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Inlp.Classifier.class)
  void nothingIsLeftToRead(Inlp.Classifier classifier) {
    try (var scope = Scope.withoutGradients()) {
      Planted data = Planted.of(2);
      Tensor x = data.x();
      Tensor before = SquaredHinge.of(x, data.labellings(), 1);
      assertThat(accuracy(x, before, data.classes)).isGreaterThan(0.9);
      Tensor basis = Inlp.of(3).with(classifier).basis(x, data.labellings());
      Projections.assertOrthonormal(basis);
      assertThat(basis.size(0)).isBetween(2L, 9L); // rank of P ≥ width − n c
      Tensor left = Inlp.off(x, basis);
      Tensor after = SquaredHinge.of(left, data.labellings(), 1);
      assertThat(accuracy(left, after, data.classes)).isLessThan(0.45); // chance is a third
    }
  }

  /// As the original computes it: `P = I − orth(Σ_i P_i)`, where P_i projects on the rows of W_i.
  @Test
  void theProjectionIsOnTheIntersectionOfAllNullSpaces() {
    try (var scope = Scope.withoutGradients()) {
      Planted data = Planted.of(3);
      Tensor x = data.x();
      Tensor sum = Tensor.zeros(DType.F64, WIDTH, WIDTH);
      Tensor projected = x;
      var all = new ArrayList<Tensor>();
      Tensor outside = Tensor.zeros(DType.F64, 0, WIDTH);
      for (int i = 0; i < 2; i++) {
        Tensor w = SquaredHinge.of(projected, data.labellings(), 1);
        all.add(w);
        Tensor own = Inlp.spanning(w, 1e-9);
        sum = sum.add(own.transpose(0, 1).matmul(own));
        outside = Inlp.spanning(sum, 1e-6);
        projected = x.sub(x.matmul(outside.transpose(0, 1)).matmul(outside));
      }
      Tensor basis = Inlp.of(2).basis(x, data.labellings());
      double[] found = basis.transpose(0, 1).matmul(basis).toDoubles();
      double[] expected = outside.transpose(0, 1).matmul(outside).toDoubles();
      Projections.assertClose(found, expected, 1e-5);
      for (Tensor w : all) { // P Wᵀ = 0
        Tensor left = Inlp.off(w, basis);
        assertThat(left.abs().max().item())
            .isLessThanOrEqualTo(1e-5 * w.norm(1, false).max().item());
      }
    }
  }

  @Test
  void itEndsWhereNothingIsLeft() {
    try (var scope = Scope.withoutGradients()) {
      Planted data = Planted.of(4);
      Tensor basis = Inlp.of(50).basis(data.x(), data.labellings());
      assertThat(basis.size(0)).isEqualTo(WIDTH);
      Projections.assertOrthonormal(basis);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "llama", "gemma2", "gpt_neox", "granite", "phi"})
  void theEditProjectsWhatTheHeadReads(String family) {
    try (Transformer model = Fittings.load(family, DType.F64)) {
      var remedy = (Remedy.OfWeights) Inlp.of(2).fit(Fittings.of(model, Fittings.GENDER));
      Projections.assertProjects(model, remedy, 1e-9);
      assertThat(remedy.edit().name()).isEqualTo("inlp");
      assertThat(remedy.edit().card().parameters())
          .containsEntry("iterations", "2")
          .containsEntry("classifier", "svm")
          .containsKeys("directions", "texts");
    }
  }

  @Test
  void threeGroupsAreOneClass() {
    try (Transformer model = Fittings.load("llama", DType.F64);
        var scope = Scope.withoutGradients()) {
      var remedy = (Remedy.OfWeights) Inlp.of(3).fit(Fittings.of(model, Fittings.RELIGION));
      assertThat(Projections.basis(remedy).size(0)).isEqualTo(3); // one direction each
      Projections.assertProjects(model, remedy, 1e-9);
    }
  }

  @Test
  void noIterationsChangeNothing() {
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      var remedy = (Remedy.OfWeights) Inlp.of(0).fit(Fittings.of(model, Fittings.GENDER));
      try (Remedy.Treated treated = remedy.applied(model)) {
        assertThat(Projections.logits(treated.transformer().orElseThrow(), Tap.NONE))
            .isEqualTo(Projections.logits(model, Tap.NONE));
      }
    }
  }

  @Test
  void theCacheGivesTheSame(@TempDir Path folder) {
    try (Transformer model = Fittings.load("gpt2", DType.F32)) {
      var official = SentenceScorer.Context.OFFICIAL;
      Fitting plain = Fittings.of(model, Fittings.GENDER);
      Fitting cached = Fittings.of(model, Fittings.GENDER, official, Optional.of(folder));
      var first = ((Remedy.OfWeights) Inlp.of(2).fit(plain)).edit();
      for (int turn = 0; turn < 2; turn++) {
        var other = ((Remedy.OfWeights) Inlp.of(2).fit(cached)).edit();
        assertThat(other.changes()).isEqualTo(first.changes());
      }
      assertThat(folder).isNotEmptyDirectory();
    }
  }

  @Test
  void tooFewTextsOfAClassAreRefused() {
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      var strange = new AttributeWords("gender", List.of(List.of("zig", "zag")));
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      var without =
          new Fitting(
              model,
              fitting.tokenizer(),
              "gender",
              fitting.items(),
              strange,
              fitting.neutral(),
              fitting.context(),
              fitting.start(),
              0,
              Optional.empty());
      assertThatThrownBy(() -> Inlp.of(1).fit(without))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("at least 4 texts of each class, found 0, 0, ")
          .hasMessageContaining("words of the one group, of the other, of none");
    }
  }

  @Test
  void encodersAreRefused() {
    try (Transformer model = Fittings.load("bert_mlm", DType.F32)) {
      assertThatThrownBy(() -> Inlp.of(1).fit(Fittings.of(model, Fittings.GENDER)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("use a causal model");
    }
  }

  @Test
  void theGridHasEight() {
    assertThat(Inlp.grid()).hasSize(8).doesNotHaveDuplicates();
  }
}
