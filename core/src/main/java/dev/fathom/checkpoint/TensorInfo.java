package dev.fathom.checkpoint;

import java.util.List;

/// What a weight file says about one tensor.
///
/// @param name the name under which the tensor is found
/// @param type how its elements are encoded
/// @param shape sizes of the dimensions, outermost first (row major, as PyTorch prints them); empty
///   for a scalar
/// @param offset where its bytes start, counted from the start of the file
/// @param bytes how many bytes it takes
public record TensorInfo(String name, TensorType type, List<Long> shape, long offset, long bytes) {
  public TensorInfo {
    shape = List.copyOf(shape);
  }

  /// The number of elements: the product of the shape, 1 for a scalar.
  public long elements() {
    long product = 1;
    for (long size : shape) {
      product = Math.multiplyExact(product, size);
    }
    return product;
  }

  /// The size of the innermost dimension, 1 for a scalar.
  public long rowElements() {
    return shape.isEmpty() ? 1 : shape.getLast();
  }
}
