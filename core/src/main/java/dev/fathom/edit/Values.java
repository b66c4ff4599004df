package dev.fathom.edit;

import dev.fathom.checkpoint.TensorType;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The numbers of an edit: a row-major array of F32, or of F64 where the model computes in that.
/// Copied in and out, equal by content, outside native memory.
public final class Values {
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfDouble DOUBLE =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final List<Long> shape;
  private final float[] floats;
  private final double[] doubles;
  private final boolean wide;

  private Values(List<Long> shape, float[] floats, double[] doubles, boolean wide) {
    this.shape = List.copyOf(shape);
    this.floats = floats;
    this.doubles = doubles;
    this.wide = wide;
    long wanted = this.shape.stream().reduce(1L, Math::multiplyExact);
    int given = wide ? doubles.length : floats.length;
    if (wanted != given) {
      throw new IllegalArgumentException(
          "shape %s does not hold %d numbers".formatted(shape, given));
    }
  }

  public static Values of(float[] values, long... shape) {
    return new Values(boxed(shape), values.clone(), new double[0], false);
  }

  /// A copy of a tensor: F64 stays F64, everything else becomes F32.
  public static Values of(Tensor tensor) {
    return tensor.dtype() == DType.F64
        ? new Values(boxed(tensor.shape()), new float[0], tensor.toDoubles(), true)
        : new Values(boxed(tensor.shape()), tensor.toFloats(), new double[0], false);
  }

  public static Values zeros(long... shape) {
    long size = Arrays.stream(shape).reduce(1, Math::multiplyExact);
    return new Values(boxed(shape), new float[Math.toIntExact(size)], new double[0], false);
  }

  /// From the bytes of a file.
  ///
  /// @param type F32 or F64
  static Values read(MemorySegment bytes, TensorType type, List<Long> shape) {
    return type == TensorType.F64
        ? new Values(shape, new float[0], bytes.toArray(DOUBLE), true)
        : new Values(shape, bytes.toArray(FLOAT), new double[0], false);
  }

  /// The bytes for a file.
  MemorySegment bytes() {
    MemorySegment bytes = MemorySegment.ofArray(new byte[Math.multiplyExact(size(), wide ? 8 : 4)]);
    if (wide) {
      MemorySegment.copy(doubles, 0, bytes, DOUBLE, 0, doubles.length);
    } else {
      MemorySegment.copy(floats, 0, bytes, FLOAT, 0, floats.length);
    }
    return bytes;
  }

  TensorType type() {
    return wide ? TensorType.F64 : TensorType.F32;
  }

  public List<Long> shape() {
    return shape;
  }

  /// How many numbers there are.
  public int size() {
    return wide ? doubles.length : floats.length;
  }

  /// A tensor of them in the innermost scope.
  public Tensor tensor(DType dtype) {
    long[] sizes = shape.stream().mapToLong(Long::longValue).toArray();
    Tensor tensor = wide ? Tensor.of(doubles, sizes) : Tensor.of(floats, sizes);
    return tensor.dtype() == dtype ? tensor : tensor.to(dtype);
  }

  boolean isFinite() {
    for (float value : floats) {
      if (!Float.isFinite(value)) {
        return false;
      }
    }
    return Arrays.stream(doubles).allMatch(Double::isFinite);
  }

  private static List<Long> boxed(long[] shape) {
    return Arrays.stream(shape).boxed().toList();
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Values that
        && wide == that.wide
        && shape.equals(that.shape)
        && Arrays.equals(floats, that.floats)
        && Arrays.equals(doubles, that.doubles);
  }

  @Override
  public int hashCode() {
    return 31 * shape.hashCode() + (wide ? Arrays.hashCode(doubles) : Arrays.hashCode(floats));
  }

  @Override
  public String toString() {
    return "Values" + shape + " " + type();
  }
}
