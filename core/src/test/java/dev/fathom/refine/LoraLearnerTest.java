package dev.fathom.refine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.References;
import dev.fathom.arch.Models;
import dev.fathom.edit.Change;
import dev.fathom.evaluate.PackedRows;
import dev.fathom.model.Linears.Role;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LoraLearnerTest {
  private static final List<int[]> ROWS =
      List.of(
          new int[] {5, 9, 12, 7, 3},
          new int[] {5, 9, 12, 8},
          new int[] {4, 6},
          new int[] {5, 9, 12, 7, 11, 2},
          new int[] {4, 6, 10});

  /// The same numbers for the same token of the same row, wherever it is read.
  private static Tensor gradient(PackedRows packed, Tensor stream) {
    int width = Math.toIntExact(stream.size(1));
    double[] all = new double[Math.toIntExact(stream.elements())];
    for (int r = 0; r < ROWS.size(); r++) {
      for (int i = 0; i < ROWS.get(r).length; i++) {
        var random = new Random(100L * r + i);
        int at = packed.place(r, i) * width;
        for (int d = 0; d < width; d++) {
          all[at + d] += random.nextGaussian();
        }
      }
    }
    return Tensor.of(all, stream.shape());
  }

  private static List<Change> learnt(Transformer model, boolean shared) {
    Lora lora = Lora.standard(model).withTargets(Set.of(Role.DOWN, Role.K, Role.V)).withRank(2, 4);
    PackedRows packed = PackedRows.inOne(ROWS, shared);
    try (var learner = LoraLearner.of(model, lora, 3)) {
      for (int step = 0; step < 3; step++) {
        learner.step(packed, stream -> gradient(packed, stream), 1e-2);
      }
      return learner.changes();
    }
  }

  /// What rows begin with is read once, and counts for all of them.
  @ParameterizedTest
  @ValueSource(strings = {"llama", "gemma2", "bloom", "gpt_neo"})
  void sharedBeginningsLearnTheSame(String family) {
    try (Transformer model = Models.load(References.path("checkpoints/" + family), DType.F64)) {
      List<Change> apart = learnt(model, false);
      List<Change> shared = learnt(model, true);
      assertThat(shared).hasSameSizeAs(apart);
      for (int i = 0; i < apart.size(); i++) {
        var expected = (Change.LowRank) apart.get(i);
        var found = (Change.LowRank) shared.get(i);
        double[] b = expected.b().tensor(DType.F64).toDoubles();
        assertThat(Arrays.stream(b).map(Math::abs).max().orElseThrow()).isPositive();
        assertThat(found.b().tensor(DType.F64).toDoubles()).containsExactly(b, within(1e-8));
        assertThat(found.a().tensor(DType.F64).toDoubles())
            .containsExactly(expected.a().tensor(DType.F64).toDoubles(), within(1e-8));
      }
    }
  }
}
