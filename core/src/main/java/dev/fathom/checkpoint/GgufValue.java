package dev.fathom.checkpoint;

import java.math.BigInteger;
import java.util.List;
import java.util.Objects;

/// A metadata value of a GGUF file together with its type there, so that copying a file keeps its
/// types.
///
/// | GGUF type | [#value()] |
/// |---|---|
/// | integers of 8 to 64 bits | `Long` (`BigInteger` for an unsigned value above `Long.MAX_VALUE`) |
/// | FLOAT32, FLOAT64 | `Double`; a FLOAT32 as the shortest decimal that stands for it, so 1e-5 stays 1e-5 |
/// | BOOL | `Boolean` |
/// | STRING | `String` |
/// | ARRAY of FLOAT32 | `float[]` |
/// | ARRAY of INT32 | `int[]` |
/// | any other ARRAY | `List` of the values above |
///
/// @param type the type of the value
/// @param elements for an ARRAY the type of its elements, otherwise the same as `type`
/// @param value the value; arrays are shared, not copied: do not write to them
public record GgufValue(Type type, Type elements, Object value) {
  /// The type codes of the format, in the order of their numbers.
  public enum Type {
    UINT8(1),
    INT8(1),
    UINT16(2),
    INT16(2),
    UINT32(4),
    INT32(4),
    FLOAT32(4),
    BOOL(1),
    STRING(8),
    ARRAY(12),
    UINT64(8),
    INT64(8),
    FLOAT64(8);

    private final int leastBytes;

    Type(int leastBytes) {
      this.leastBytes = leastBytes;
    }

    /// The fewest bytes that a value of this type takes.
    int leastBytes() {
      return leastBytes;
    }
  }

  public GgufValue {
    Objects.requireNonNull(value, "value");
  }

  public static GgufValue string(String value) {
    return new GgufValue(Type.STRING, Type.STRING, value);
  }

  public static GgufValue bool(boolean value) {
    return new GgufValue(Type.BOOL, Type.BOOL, value);
  }

  /// An unsigned 32-bit number: what counts, sizes and token ids are written as.
  public static GgufValue uint32(long value) {
    if (value < 0 || value > 0xFFFF_FFFFL) {
      throw new IllegalArgumentException("%d does not fit 32 unsigned bits".formatted(value));
    }
    return new GgufValue(Type.UINT32, Type.UINT32, value);
  }

  public static GgufValue float32(double value) {
    return new GgufValue(Type.FLOAT32, Type.FLOAT32, value);
  }

  public static GgufValue strings(List<String> values) {
    return new GgufValue(Type.ARRAY, Type.STRING, List.copyOf(values));
  }

  /// An array of signed 32-bit numbers.
  public static GgufValue ints(int... values) {
    return new GgufValue(Type.ARRAY, Type.INT32, values.clone());
  }

  public static GgufValue floats(float... values) {
    return new GgufValue(Type.ARRAY, Type.FLOAT32, values.clone());
  }

  public static GgufValue bools(List<Boolean> values) {
    return new GgufValue(Type.ARRAY, Type.BOOL, List.copyOf(values));
  }

  /// The bits of an integer value as a long.
  static long bits(Object value) {
    return switch (value) {
      case BigInteger big -> big.longValue();
      case Number number -> number.longValue();
      default -> throw new IllegalArgumentException("expected a whole number, found " + value);
    };
  }
}
