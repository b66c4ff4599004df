package dev.fathom.tensor;

import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/// Chooses how a product is computed. [#plainLinear] is the oracle of every fast path.
final class Kernels {
  /// Below this many numbers a weight is not worth a second copy.
  private static final long SMALLEST_PACKED = 1 << 16;

  private Kernels() {}

  static Tensor linear(Tensor x, Weight weight, @Nullable Tensor bias) {
    if (weight.dtype() == DType.BF16 && !Weight.isNative(DType.BF16)) {
      return widened(x, weight, bias);
    }
    return packable(x, weight)
        ? prepackedLinear(x.contiguous(), weight, bias)
        : plainLinear(x, weight, bias);
  }

  private static Tensor prepackedLinear(Tensor x, Weight weight, @Nullable Tensor bias) {
    Prepacked prepacked = Prepacked.instance().orElseThrow();
    return prepacked.linear(x, weight.packed(prepacked::pack), bias);
  }

  /// `y W`. Without kernels for BF16, in F32 and rounded at the end.
  static Tensor back(Tensor y, Weight weight) {
    if (weight.dtype() == DType.BF16 && !Weight.isNative(DType.BF16)) {
      return y.to(DType.F32).matmul(weight.values().to(DType.F32)).to(DType.BF16);
    }
    if (weight.dtype() != DType.F32 || !packable(y, weight)) {
      return y.matmul(weight.values());
    }
    Prepacked prepacked = Prepacked.instance().orElseThrow();
    return prepacked.linear(y.contiguous(), weight.packedBack(prepacked::pack), null);
  }

  /// BF16 on a processor without kernels for it: products of the same numbers in F32, which are
  /// many times faster there, rounded at the end.
  private static Tensor widened(Tensor x, Weight weight, @Nullable Tensor bias) {
    Tensor wide = x.to(DType.F32);
    Tensor wideBias = bias == null ? null : bias.to(DType.F32);
    if (!packable(x, weight)) {
      return wide.linear(weight.values().to(DType.F32), wideBias).to(DType.BF16);
    }
    Prepacked prepacked = Prepacked.instance().orElseThrow();
    Tensor packed = weight.packed(values -> prepacked.pack(values.to(DType.F32)));
    return prepacked.linear(wide.contiguous(), packed, wideBias).to(DType.BF16);
  }

  /// The fused kernel. In BF16 it is some twenty times slower on a CPU than in F32, so F32 it is.
  static Tensor attention(
      Tensor q, Tensor k, Tensor v, @Nullable Tensor mask, boolean causal, double scale) {
    if (q.dtype() == DType.BF16) {
      Tensor wideMask = mask == null ? null : mask.to(DType.F32);
      return fusedAttention(
              q.to(DType.F32), k.to(DType.F32), v.to(DType.F32), wideMask, causal, scale)
          .to(DType.BF16);
    }
    return fusedAttention(q, k, v, mask, causal, scale);
  }

  private static Tensor fusedAttention(
      Tensor q, Tensor k, Tensor v, @Nullable Tensor mask, boolean causal, double scale) {
    return new Tensor(
        torch.scaled_dot_product_attention(
            q.pointer(),
            k.pointer(),
            v.pointer(),
            Tensor.optional(mask),
            0.0,
            causal,
            new DoubleOptional(scale),
            q.size(1) != k.size(1)));
  }

  /// `x / √(mean(x²) + eps) ⊙ gain`: the library composes it of many passes in a row, this of
  /// three.
  static Tensor rmsNorm(Tensor x, @Nullable Tensor gain, double eps) {
    if (x.dtype() != DType.F32 || x.requiresGradient()) {
      return new Tensor(
          torch.rms_norm(
              x.pointer(),
              new long[] {x.size(-1)},
              Tensor.optional(gain),
              new DoubleOptional(eps)));
    }
    Tensor meanSquare = x.norm(-1, true).square().div(x.size(-1));
    Tensor y = x.mul(meanSquare.add(eps).rsqrt());
    return gain == null ? y : y.mulInPlace(gain);
  }

  static Tensor plainLinear(Tensor x, Weight weight, @Nullable Tensor bias) {
    return x.linear(weight.values(), bias);
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
}
