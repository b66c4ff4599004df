package dev.fathom.explain;

import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;

/// What a model itself says.
public final class Predictions {
  private Predictions() {}

  /// The output with the largest logit at a position.
  ///
  /// @param position from 0
  public static int best(Transformer model, int[] ids, int position) {
    try (var scope = Scope.withoutGradients()) {
      Pass pass = Pass.over(Layout.single(ids.length));
      Tensor x = model.stream(Tensor.of(ids, ids.length), pass);
      return (int) model.head().of(x.narrow(0, position, 1)).argmax(-1).item();
    }
  }
}
