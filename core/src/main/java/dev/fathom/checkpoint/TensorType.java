package dev.fathom.checkpoint;

import java.util.Locale;

/// How the numbers of a stored tensor are encoded.
///
/// A type is a block of [#blockSize()] consecutive elements of the innermost dimension that takes
/// [#blockBytes()] bytes, little-endian. Plain types have blocks of one element. The quantised
/// types are ggml's: each block carries its own scale (and sometimes minimum), see [Dequantizer].
public enum TensorType {
  F64(1, 8),
  F32(1, 4),
  /// IEEE 754 binary16.
  F16(1, 2),
  /// The upper half of a binary32.
  BF16(1, 2),
  I64(1, 8),
  I32(1, 4),
  I16(1, 2),
  I8(1, 1),
  U8(1, 1),
  /// One byte an element, zero or one.
  BOOL(1, 1),
  Q4_0(32, 18),
  Q4_1(32, 20),
  Q5_0(32, 22),
  Q5_1(32, 24),
  Q8_0(32, 34),
  Q2_K(256, 84),
  Q3_K(256, 110),
  Q4_K(256, 144),
  Q5_K(256, 176),
  Q6_K(256, 210),
  IQ4_NL(32, 18),
  IQ4_XS(256, 136);

  private final int blockSize;
  private final int blockBytes;

  TensorType(int blockSize, int blockBytes) {
    this.blockSize = blockSize;
    this.blockBytes = blockBytes;
  }

  /// Elements in a block, 1 for plain types.
  public int blockSize() {
    return blockSize;
  }

  /// Bytes of a block; for plain types the size of an element.
  public int blockBytes() {
    return blockBytes;
  }

  /// Whether elements share a scale, so that values can only be had by dequantising.
  public boolean quantized() {
    return blockSize > 1;
  }

  /// Whether values are numbers with a fraction: everything that weights are stored in.
  public boolean floating() {
    return quantized() || this == F64 || this == F32 || this == F16 || this == BF16;
  }

  /// Bytes that `elements` elements take.
  ///
  /// @throws IllegalArgumentException if `elements` is not a whole number of blocks
  /// @throws ArithmeticException if the size does not fit a long
  public long bytesFor(long elements) {
    if (elements < 0 || elements % blockSize != 0) {
      throw new IllegalArgumentException(
          "%d elements are not a whole number of %s blocks of %d"
              .formatted(elements, this, blockSize));
    }
    return Math.multiplyExact(elements / blockSize, (long) blockBytes);
  }

  /// The spelling of `config.json` and PyTorch: `float32`, `bfloat16`; the lower-case name for
  /// types that PyTorch does not have.
  public String torchName() {
    return switch (this) {
      case F64 -> "float64";
      case F32 -> "float32";
      case F16 -> "float16";
      case BF16 -> "bfloat16";
      case I64 -> "int64";
      case I32 -> "int32";
      case I16 -> "int16";
      case I8 -> "int8";
      case U8 -> "uint8";
      case BOOL -> "bool";
      case Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS ->
          name().toLowerCase(Locale.ROOT);
    };
  }
}
