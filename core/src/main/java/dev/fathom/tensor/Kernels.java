package dev.fathom.tensor;

import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/// Chooses how a product is computed. [#plainLinear] is the oracle of every fast path.
final class Kernels {
  /// Below this many numbers a weight is not worth a second copy.
  private static final long SMALLEST_PACKED = 1 << 16;

  private Kernels() {}

  static Tensor linear(Tensor x, Weight weight, @Nullable Tensor bias) {
    Tensor packed = packable(x, weight) ? packed(weight) : null;
    return packed == null
        ? plainLinear(x, weight, bias)
        : Prepacked.instance().orElseThrow().linear(x.contiguous(), packed, bias);
  }

  static Tensor plainLinear(Tensor x, Weight weight, @Nullable Tensor bias) {
    return new Tensor(
        torch.linear(x.pointer(), weight.values().pointer(), Tensor.optional(bias)));
  }

  /// The blocked layout serves F32 and BF16 without gradients.
  private static boolean packable(Tensor x, Weight weight) {
    DType dtype = weight.dtype();
    return (dtype == DType.F32 || dtype == DType.BF16)
        && weight.elements() >= SMALLEST_PACKED
        && Prepacked.instance().isPresent()
        && !x.requiresGradient()
        && !weight.values().requiresGradient();
  }

  private static Tensor packed(Weight weight) {
    Tensor packed = weight.packed();
    return packed == null ? weight.packed(Prepacked.instance().orElseThrow()::pack) : packed;
  }
}
