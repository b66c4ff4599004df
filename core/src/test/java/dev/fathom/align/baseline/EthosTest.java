package dev.fathom.align.baseline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.Fitting;
import dev.fathom.align.Fittings;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Change;
import dev.fathom.edit.Edit;
import dev.fathom.edit.Values;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.model.Linear;
import dev.fathom.model.Linears;
import dev.fathom.model.Linears.Role;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EthosTest {
  private static final Tuning SHORT = new Tuning(6, 100, 1e-2, 3, 0);
  private static final Set<Role> TARGETS = EnumSet.of(Role.Q, Role.V);

  @TempDir private Path folder;

  @BeforeAll
  static void oneThread() {
    Threads.set(1); // more only wait for each other over products this small
  }

  private Fitting cached(Transformer model) {
    return Fittings.of(
        model, Fittings.GENDER, SentenceScorer.Context.OFFICIAL, Optional.of(folder));
  }

  private static Edit fit(Ethos method, Fitting fitting) {
    return ((Remedy.OfWeights) method.fit(fitting)).edit();
  }

  private static double[] logits(Edit edit, Transformer model) {
    try (Remedy.Treated treated = new Remedy.OfWeights(edit).applied(model)) {
      return Projections.logits(treated.transformer().orElseThrow(), Tap.NONE);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "llama", "phi3", "gpt_neox"})
  void belowZeroItIsPlainNegation(String family) {
    try (Transformer model = Fittings.load(family, DType.F64)) {
      Fitting fitting = cached(model);
      Edit found = fit(new Ethos(SHORT, -1, 0.7), fitting);
      Edit learnt =
          SHORT.run(
              fitting,
              fitting.items().stream().map(item -> item.stereotype().text()).toList(),
              TARGETS);
      Edit negated = new Edit("negated", learnt.card(), Tuning.times(learnt, -0.7), 1);
      double[] base = Projections.logits(model, Tap.NONE);
      assertThat(logits(found, model)).isNotEqualTo(base);
      Projections.assertClose(logits(found, model), logits(negated, model), 1e-7);
      assertThat(found.card().parameters()).containsEntry("share kept", "1.0000");
    }
  }

  @Test
  void fromOneOnNothingChanges() {
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = cached(model);
      assertThat(fit(new Ethos(SHORT, 1, 1), fitting).changes()).isEmpty();
      assertThat(fit(new Ethos(SHORT, 0.1, 0), fitting).changes()).isEmpty();
      assertThat(logits(fit(new Ethos(SHORT, 1, 1), fitting), model))
          .isEqualTo(Projections.logits(model, Tap.NONE));
    }
  }

  /// Entry by entry on plain numbers.
  @Test
  void theFilterKeepsWhatDiffersMost() {
    int out = 5;
    int in = 4;
    var random = new Random(2);
    try (var scope = Scope.withoutGradients()) {
      Tensor w = normal(random, out, in);
      Tensor.Svd svd = w.svd(true);
      var bases = new Decompositions.Bases(svd.u(), svd.vt());
      Change.LowRank task = step(random, out, in);
      Change.LowRank auxiliary = step(random, out, in);
      double[][] u = square(svd.u(), out);
      double[][] vt = square(svd.vt(), in);
      double[][] own = seen(u, vt, dense(task, out, in));
      double[][] other = seen(u, vt, dense(auxiliary, out, in));
      double most = 0;
      for (int i = 0; i < out; i++) {
        for (int j = 0; j < in; j++) {
          most = Math.max(most, Math.abs(own[i][j] - other[i][j]));
        }
      }
      double[] expected = new double[out * in];
      int kept = 0;
      double squares = 0;
      for (int i = 0; i < out; i++) {
        for (int j = 0; j < in; j++) {
          if (Math.abs(own[i][j] - other[i][j]) > 0.3 * most) {
            kept++;
            for (int a = 0; a < out; a++) {
              for (int b = 0; b < in; b++) {
                expected[a * in + b] += u[a][i] * own[i][j] * vt[j][b];
              }
            }
          }
        }
      }
      Ethos.Filtered found = Ethos.of(0.3, 1).filtered(bases, task, auxiliary);
      Projections.assertClose(found.step().toDoubles(), expected, 1e-10);
      assertThat(found.kept()).isEqualTo(kept).isBetween(1L, 19L);
      assertThat(found.all()).isEqualTo(20);
      for (double value : found.step().toDoubles()) {
        squares += value * value;
      }
      double whole = 0;
      for (double[] row : dense(task, out, in)) {
        for (double value : row) {
          whole += value * value;
        }
      }
      assertThat(squares).isLessThanOrEqualTo(whole); // ‖ΔW̃‖ ≤ ‖ΔW‖
      Ethos.Filtered plain = Ethos.of(-1, 1).filtered(bases, task, auxiliary);
      Projections.assertClose(
          plain.step().flatten(0, 1).toDoubles(), flat(dense(task, out, in)), 1e-10);
    }
  }

  private static Tensor normal(Random random, long... shape) {
    int count = (int) (shape[0] * shape[1]);
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      values[i] = random.nextGaussian();
    }
    return Tensor.of(values, shape);
  }

  private static Change.LowRank step(Random random, int out, int in) {
    return new Change.LowRank(
        "w", 0, Values.of(normal(random, 2, in)), Values.of(normal(random, out, 2)), 0.5);
  }

  private static double[][] square(Tensor x, int n) {
    double[] all = x.toDoubles();
    double[][] rows = new double[n][n];
    for (int i = 0; i < n; i++) {
      System.arraycopy(all, i * n, rows[i], 0, n);
    }
    return rows;
  }

  private static double[][] dense(Change.LowRank step, int out, int in) {
    double[] a = step.a().tensor(DType.F64).toDoubles();
    double[] b = step.b().tensor(DType.F64).toDoubles();
    double[][] dense = new double[out][in];
    for (int i = 0; i < out; i++) {
      for (int j = 0; j < in; j++) {
        for (int r = 0; r < 2; r++) {
          dense[i][j] += step.factor() * b[i * 2 + r] * a[r * in + j];
        }
      }
    }
    return dense;
  }

  /// `Uᵀ ΔW V`.
  private static double[][] seen(double[][] u, double[][] vt, double[][] dense) {
    double[][] seen = new double[u.length][vt.length];
    for (int i = 0; i < u.length; i++) {
      for (int j = 0; j < vt.length; j++) {
        for (int a = 0; a < u.length; a++) {
          for (int b = 0; b < vt.length; b++) {
            seen[i][j] += u[a][i] * dense[a][b] * vt[j][b];
          }
        }
      }
    }
    return seen;
  }

  private static double[] flat(double[][] rows) {
    return Stream.of(rows).flatMapToDouble(Arrays::stream).toArray();
  }

  @Test
  void theGridSharesTwoRunsAndOneDecomposition() throws IOException {
    try (Transformer model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = cached(model);
      Edit first = fit(new Ethos(SHORT, 0.1, 1), fitting);
      Edit second = fit(new Ethos(SHORT, 0.1, 0.5), fitting);
      Edit free = fit(new Ethos(SHORT, 0.1, 1), Fittings.of(model, Fittings.GENDER));
      assertThat(free.changes()).isEqualTo(first.changes());
      assertThat(second.changes()).hasSameSizeAs(first.changes()).isNotEqualTo(first.changes());
      try (Stream<Path> all = Files.list(folder)) {
        List<String> names = all.map(path -> String.valueOf(path.getFileName())).toList();
        assertThat(names).hasSize(3);
        assertThat(names.stream().filter(name -> name.startsWith("tuned-"))).hasSize(2);
        assertThat(names.stream().filter(name -> name.startsWith("svd-"))).hasSize(1);
      }
      assertThat(Ethos.grid()).hasSize(8);
      assertThat(Ethos.grid().stream().map(Ethos::tuning).distinct()).hasSize(1);
    }
  }

  @Test
  void keptBasesDecomposeTheMaps() {
    try (Transformer model = Fittings.load("gpt2", DType.F64);
        var scope = Scope.withoutGradients()) {
      List<Linear> maps =
          Linears.places(model).stream()
              .filter(place -> place.role() == Role.UP || place.role() == Role.O)
              .map(Linears.Place::linear)
              .toList();
      for (int turn = 0; turn < 2; turn++) {
        try (var kept = Decompositions.of(model, maps, Optional.of(folder))) {
          for (int i = 0; i < maps.size(); i++) {
            Decompositions.Bases bases = kept.at(i);
            Projections.assertOrthonormal(bases.u());
            Projections.assertOrthonormal(bases.vt());
            double[] between =
                bases
                    .u()
                    .transpose(0, 1)
                    .matmul(maps.get(i).weight().values())
                    .matmul(bases.vt().transpose(0, 1))
                    .toDoubles();
            int in = (int) maps.get(i).in();
            for (int k = 0; k < between.length; k++) {
              if (k / in != k % in) {
                assertThat(between[k]).isCloseTo(0, within(1e-10));
              }
            }
          }
        }
      }
    }
  }
}
