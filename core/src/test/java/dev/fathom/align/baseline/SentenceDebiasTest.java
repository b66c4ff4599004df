package dev.fathom.align.baseline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.AttributeWords;
import dev.fathom.align.Fitting;
import dev.fathom.align.Fittings;
import dev.fathom.align.Remedy;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SentenceDebiasTest {
  @BeforeAll
  static void oneThread() {
    Threads.set(1); // more only wait for each other over products this small
  }

  private static Remedy.OfWeights fit(SentenceDebias method, Transformer model) {
    return (Remedy.OfWeights) method.fit(Fittings.of(model, Fittings.GENDER));
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "llama", "gemma2", "bloom"})
  void theEditProjectsWhatTheHeadReads(String family) {
    try (Transformer model = Fittings.load(family, DType.F64);
        var scope = Scope.withoutGradients()) {
      for (int components : new int[] {1, 3}) {
        Remedy.OfWeights remedy = fit(SentenceDebias.of(components), model);
        Projections.assertProjects(model, remedy, 1e-9);
        Projections.assertOrthonormal(Projections.basis(remedy));
        assertThat(Projections.basis(remedy).size(0)).isEqualTo(components);
      }
    }
  }

  /// By power iteration on plain arrays.
  @Test
  void theDirectionIsTheFirstPrincipalComponent() {
    int sets = 40;
    int width = 6;
    for (int each : new int[] {2, 3}) {
      var random = new Random(each);
      double[][] x = new double[sets * each][width];
      for (int i = 0; i < x.length; i++) {
        for (int j = 0; j < width; j++) {
          x[i][j] = random.nextGaussian() + (j == 1 ? 0.8 * (i % each) : 0) + j;
        }
      }
      double[] flat = new double[x.length * width];
      for (int i = 0; i < x.length; i++) {
        System.arraycopy(x[i], 0, flat, i * width, width);
      }
      double[] expected = powerIteration(centred(x, each));
      try (var scope = Scope.withoutGradients()) {
        Tensor first =
            SentenceDebias.parts(Tensor.of(flat, x.length, width), each).directions().select(0, 0);
        double[] found = first.toDoubles();
        double dot = 0;
        for (int j = 0; j < width; j++) {
          dot += found[j] * expected[j];
        }
        assertThat(Math.abs(dot)).isCloseTo(1, within(1e-9));
      }
    }
  }

  private static double[][] centred(double[][] x, int each) {
    int width = x[0].length;
    double[][] unit = new double[x.length][width];
    for (int i = 0; i < x.length; i++) {
      double length = 0;
      for (double value : x[i]) {
        length += value * value;
      }
      for (int j = 0; j < width; j++) {
        unit[i][j] = x[i][j] / Math.sqrt(length);
      }
    }
    for (int set = 0; set < x.length / each; set++) {
      for (int j = 0; j < width; j++) {
        double mean = 0;
        for (int g = 0; g < each; g++) {
          mean += unit[set * each + g][j] / each;
        }
        for (int g = 0; g < each; g++) {
          unit[set * each + g][j] -= mean;
        }
      }
    }
    return unit;
  }

  private static double[] powerIteration(double[][] x) {
    double[] v = new double[x[0].length];
    v[0] = 1;
    v[1] = 0.5;
    for (int turn = 0; turn < 5000; turn++) {
      double[] next = new double[v.length];
      for (double[] row : x) {
        double dot = 0;
        for (int j = 0; j < v.length; j++) {
          dot += row[j] * v[j];
        }
        for (int j = 0; j < v.length; j++) {
          next[j] += dot * row[j];
        }
      }
      double length = 0;
      for (double value : next) {
        length += value * value;
      }
      for (int j = 0; j < v.length; j++) {
        v[j] = next[j] / Math.sqrt(length);
      }
    }
    return v;
  }

  @Test
  void triplesOfThreeGroupsAreRead() {
    try (Transformer model = Fittings.load("llama", DType.F64)) {
      var remedy =
          (Remedy.OfWeights) SentenceDebias.of(1).fit(Fittings.of(model, Fittings.RELIGION));
      Projections.assertProjects(model, remedy, 1e-9);
    }
  }

  @Test
  void textsWithoutSuchWordsAreRefused() {
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      var strange = new AttributeWords("gender", List.of(List.of("zig", "zag")));
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
      assertThatThrownBy(() -> SentenceDebias.of(1).fit(without))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("at least 2 texts with words of gender, found 0");
    }
  }

  @Test
  void theGridHasEight() {
    assertThat(SentenceDebias.grid()).hasSize(8).doesNotHaveDuplicates();
  }
}
