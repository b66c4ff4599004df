package dev.fathom.tensor;

import java.lang.foreign.MemorySegment;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// A matrix `[out, in]` that maps rows `x [tokens, in]` to `x Wᵀ [tokens, out]`, with what the fast
/// kernels prepare from it. The prepared copy is made at first use and belongs to this object.
public final class Weight {
  private final Tensor values;
  private final DType dtype;
  private final long elements;
  private final @Nullable MemorySegment mapped;
  private volatile @Nullable Tensor packed;
  private volatile @Nullable Tensor packedBack;

  private Weight(Tensor values, @Nullable MemorySegment mapped) {
    this.values = values;
    this.mapped = mapped;
    this.dtype = values.dtype();
    this.elements = values.elements();
  }

  /// A weight over a tensor that outlives it (a mapped file, a parameter); any strides.
  public static Weight of(Tensor values) {
    if (values.dim() != 2) {
      throw new IllegalArgumentException("a weight is a matrix [out, in], found " + values);
    }
    return new Weight(values, null);
  }

  /// The same over mapped pages of a file: once the prepared copy is made, they need not stay in
  /// physical memory, and come back when somebody reads the matrix itself.
  public static Weight mapped(Tensor values, MemorySegment pages) {
    Weight weight = of(values);
    return pages.isMapped() ? new Weight(weight.values, pages) : weight;
  }

  /// Whether the fast kernels and their prepared copies are to be had on this machine.
  public static boolean canBePrepared() {
    Libtorch.prepare();
    return Prepacked.instance().isPresent();
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

  /// `y W` for `y [tokens, out]`: how gradients go back through the map, `[tokens, in]`.
  public Tensor back(Tensor y) {
    return Kernels.back(y, this);
  }

  DType dtype() {
    return dtype;
  }

  long elements() {
    return elements;
  }

  /// The prepared copy, made once whichever thread asks first.
  Tensor packed(UnaryOperator<Tensor> pack) {
    Tensor known = packed;
    return known == null ? prepare(pack) : known;
  }

  private synchronized Tensor prepare(UnaryOperator<Tensor> pack) {
    Tensor known = packed;
    if (known == null) {
      known = pack.apply(values);
      packed = known;
      if (mapped != null) {
        mapped.unload();
      }
    }
    return known;
  }

  /// The same of the transposed matrix.
  Tensor packedBack(UnaryOperator<Tensor> pack) {
    Tensor known = packedBack;
    return known == null ? prepareBack(pack) : known;
  }

  private synchronized Tensor prepareBack(UnaryOperator<Tensor> pack) {
    Tensor known = packedBack;
    if (known == null) {
      try (var scope = Scope.withoutGradients()) {
        known = pack.apply(values.transpose(0, 1));
      }
      packedBack = known;
      if (mapped != null) {
        mapped.unload();
      }
    }
    return known;
  }

  /// Frees the prepared copies; they are made again when they are needed.
  public synchronized void unpack() {
    Tensor known = packed;
    if (known != null) {
      known.free();
      packed = null;
    }
    Tensor back = packedBack;
    if (back != null) {
      back.free();
      packedBack = null;
    }
  }

  /// Bytes of the prepared copies, 0 when there is none.
  public long packedBytes() {
    long copies = (packed == null ? 0 : 1) + (packedBack == null ? 0 : 1);
    return copies * elements * preparedBytes(dtype);
  }

  /// Bytes of one number in a prepared copy of a weight of this type, on this machine.
  public static int preparedBytes(DType dtype) {
    boolean same = Prepacked.instance().map(prepacked -> prepacked.packs(dtype)).orElse(true);
    return same ? dtype.bytes() : DType.F32.bytes();
  }

  /// Whether products in this type have kernels of their own on this machine; otherwise they are
  /// computed in F32 and rounded.
  public static boolean isNative(DType dtype) {
    Libtorch.prepare();
    return Prepacked.instance().map(prepacked -> prepacked.packs(dtype)).orElse(false);
  }
}
