package dev.fathom.tensor;

import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/// Chooses how a product is computed. [#plainLinear] is the oracle of every fast path.
final class Kernels {
  private Kernels() {}

  static Tensor linear(Tensor x, Weight weight, @Nullable Tensor bias) {
    return plainLinear(x, weight, bias);
  }

  static Tensor plainLinear(Tensor x, Weight weight, @Nullable Tensor bias) {
    return new Tensor(
        torch.linear(x.pointer(), weight.values().pointer(), Tensor.optional(bias)));
  }
}
