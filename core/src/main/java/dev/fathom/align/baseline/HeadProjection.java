package dev.fathom.align.baseline;

import dev.fathom.edit.Change;
import dev.fathom.model.Head;
import dev.fathom.model.Linear;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.List;

/// Takes directions out of what the head reads, after the final norm: `W N(x)` becomes `W (I − QᵀQ)
/// N(x)`, which is a low-rank step of W and costs nothing when the model runs. Scale and soft-cap
/// of the logits come after it, a bias is not touched, and of tied tables the embedding stays as it
/// is.
final class HeadProjection {
  private HeadProjection() {}

  /// Refuses models whose head is not one linear map of the normed stream.
  static void require(Transformer model, String method) {
    if (!model.card().causal() || !(model.head() instanceof Head.Unembedding)) {
      throw new IllegalArgumentException(
          "%s projects what an unembedding reads, but this %s model has another head: use a causal model."
              .formatted(method, model.card().family()));
    }
  }

  /// The step of the head's map; nothing where there are no directions.
  ///
  /// @param basis Q, orthonormal rows `[r, dModel]`
  static List<Change> changes(Transformer model, Tensor basis) {
    if (basis.size(0) == 0) {
      return List.of();
    }
    Linear head = model.head().out();
    try (var scope = Scope.withoutGradients()) {
      Tensor weight = head.weight().values().wide();
      Tensor q = basis.to(weight.dtype());
      Tensor read = weight.matmul(q.transpose(0, 1)); // [vocab, r]
      return List.of(Change.LowRank.of(head, q, read.neg(), 1));
    }
  }
}
