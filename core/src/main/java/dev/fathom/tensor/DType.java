package dev.fathom.tensor;

import org.bytedeco.pytorch.global.torch.ScalarType;

/// Element types a [Tensor] can have. Analyses run in [#F32]; [#BF16] halves memory and time of the
/// weights; [#F64] is for oracles.
public enum DType {
  F64(8, ScalarType.Double),
  F32(4, ScalarType.Float),
  F16(2, ScalarType.Half),
  BF16(2, ScalarType.BFloat16),
  I64(8, ScalarType.Long),
  I32(4, ScalarType.Int),
  I16(2, ScalarType.Short),
  I8(1, ScalarType.Char),
  U8(1, ScalarType.Byte),
  BOOL(1, ScalarType.Bool);

  private final int bytes;
  final ScalarType scalarType;

  DType(int bytes, ScalarType scalarType) {
    this.bytes = bytes;
    this.scalarType = scalarType;
  }

  /// Bytes of one element.
  public int bytes() {
    return bytes;
  }

  public boolean isFloating() {
    return this == F64 || this == F32 || this == F16 || this == BF16;
  }

  static DType of(ScalarType type) {
    for (DType dtype : values()) {
      if (dtype.scalarType == type.intern()) {
        return dtype;
      }
    }
    throw new IllegalArgumentException("element type " + type + " is not one Fathom uses");
  }
}
