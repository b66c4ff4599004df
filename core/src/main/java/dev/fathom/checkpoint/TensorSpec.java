package dev.fathom.checkpoint;

import java.util.Arrays;
import java.util.List;

/// A tensor that is about to be written.
///
/// @param shape outermost dimension first; empty for a scalar
public record TensorSpec(String name, TensorType type, List<Long> shape) {
  public TensorSpec {
    shape = List.copyOf(shape);
    if (shape.stream().anyMatch(size -> size < 0)) {
      throw new IllegalArgumentException("%s: negative size in shape %s".formatted(name, shape));
    }
    long row = shape.isEmpty() ? 1 : shape.getLast();
    if (row % type.blockSize() != 0) {
      throw new IllegalArgumentException(
          "%s: rows of %d elements are not a whole number of %s blocks of %d"
              .formatted(name, row, type, type.blockSize()));
    }
  }

  public static TensorSpec of(String name, TensorType type, long... shape) {
    return new TensorSpec(name, type, Arrays.stream(shape).boxed().toList());
  }

  /// The bytes that the tensor takes.
  public long bytes() {
    return type.bytesFor(shape.stream().reduce(1L, Math::multiplyExact));
  }
}
