package dev.fathom.align.baseline;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.align.Remedy;
import dev.fathom.edit.Change;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;

/// Checks that an edit projects what the head reads.
final class Projections {
  private static final int[] IDS = {5, 9, 2, 30, 7};

  private Projections() {}

  static double[] logits(Transformer model, Tap tap) {
    try (var scope = Scope.withoutGradients()) {
      Pass pass = Pass.over(Layout.single(IDS.length)).with(tap);
      return model.forward(Tensor.of(IDS, IDS.length), pass).toDoubles();
    }
  }

  /// Orthonormal rows, F64, in the current scope.
  static Tensor basis(Remedy.OfWeights remedy) {
    var change = (Change.LowRank) remedy.edit().changes().getFirst();
    return change.a().tensor(DType.F64);
  }

  /// The edited model is the model with `h ← h − QᵀQ h` at the final norm, and embeds as before.
  static void assertProjects(Transformer model, Remedy.OfWeights remedy, double tolerance) {
    assertThat(remedy.edit().changes()).hasSize(1);
    try (var scope = Scope.withoutGradients();
        Remedy.Treated treated = remedy.applied(model)) {
      Tensor q = basis(remedy);
      Tap tap =
          Taps.change(
              Slice.of(Site.of(Kind.FINAL_NORM)),
              h -> h.sub(h.matmul(q.transpose(0, 1)).matmul(q)));
      Transformer edited = treated.transformer().orElseThrow();
      assertClose(logits(edited, Tap.NONE), logits(model, tap), tolerance);
      assertThat(edited.embedding()).isSameAs(model.embedding());
      assertThat(logits(edited, Tap.NONE)).isNotEqualTo(logits(model, Tap.NONE));
    }
  }

  /// `Q Qᵀ = I`: then `P = I − QᵀQ` is symmetric, idempotent and of rank width − r.
  static void assertOrthonormal(Tensor basis) {
    try (var scope = Scope.withoutGradients()) {
      int rank = (int) basis.size(0);
      double[] products = basis.matmul(basis.transpose(0, 1)).toDoubles();
      for (int i = 0; i < products.length; i++) {
        products[i] -= i / rank == i % rank ? 1 : 0;
      }
      assertClose(products, new double[products.length], 1e-6);
    }
  }

  static void assertClose(double[] found, double[] expected, double tolerance) {
    assertThat(found).hasSameSizeAs(expected);
    double worst = 0;
    double largest = 1;
    for (int i = 0; i < found.length; i++) {
      worst = Math.max(worst, Math.abs(found[i] - expected[i]));
      largest = Math.max(largest, Math.abs(expected[i]));
    }
    assertThat(worst).isLessThanOrEqualTo(tolerance * largest);
  }
}
