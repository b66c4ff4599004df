package dev.fathom.tensor;

import org.jspecify.annotations.Nullable;

/// A matrix `[out, in]` that maps rows `x [tokens, in]` to `x Wᵀ [tokens, out]`, with what the fast
/// kernels prepare from it. The prepared copy is made at first use and belongs to this object.
public final class Weight {
  private final Tensor values;
  private @Nullable Tensor packed;

  private Weight(Tensor values) {
    this.values = values;
  }

  /// A weight over a tensor that outlives it (a mapped file, a parameter); any strides.
  public static Weight of(Tensor values) {
    if (values.dim() != 2) {
      throw new IllegalArgumentException("a weight is a matrix [out, in], found " + values);
    }
    return new Weight(values);
  }

  /// The matrix as it is stored, `[out, in]`.
  public Tensor values() {
    return values;
  }

  public long in() {
    return values.size(1);
  }

  public long out() {
    return values.size(0);
  }

  /// `x Wᵀ + bias` for `x [tokens, in]`.
  public Tensor apply(Tensor x, @Nullable Tensor bias) {
    return Kernels.linear(x, this, bias);
  }

  @Nullable Tensor packed() {
    return packed;
  }

  void pack(Tensor packed) {
    this.packed = packed;
  }

  /// Frees the prepared copy; it is made again when it is needed.
  public void unpack() {
    if (packed != null) {
      packed.free();
      packed = null;
    }
  }

  /// Bytes of the prepared copy, 0 when there is none.
  public long packedBytes() {
    return packed == null ? 0 : values.bytes();
  }
}
