package dev.fathom.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;

/// How the numbers of a tensor lie in a GGUF file, seen from Hugging Face's layout: a permutation
/// of rows, a transposition, or one added to each.
///
/// @param heads query heads of the model
/// @param keyHeads key and value heads
record Arrangement(Kind kind, int heads, int keyHeads) {
  enum Kind {
    SAME,
    /// Within each query head GGUF takes row i of the first half, then row i of the second, and so
    /// on.
    ROTARY_QUERY,
    /// The same within each key head.
    ROTARY_KEY,
    /// GGUF has the transpose of a matrix; vectors are the same.
    TRANSPOSED,
    /// GGUF has the value plus one.
    PLUS_ONE,
    /// Hugging Face has q, k, v of head 0, then of head 1, …; GGUF all q, all k, all v.
    QKV_BY_HEAD,
    /// Hugging Face has, for each key head, its query heads, k and v; GGUF all q, all k, all v.
    QKV_BY_GROUP
  }

  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /// The largest size of a dimension that is rearranged, beyond every vocabulary.
  private static final long LARGEST_SIZE = 1 << 26;

  static final Arrangement SAME = new Arrangement(Kind.SAME, 1, 1);

  /// Whether the bytes are the same in both layouts for a tensor of this shape.
  boolean same(List<Long> shape) {
    return kind == Kind.SAME || kind == Kind.TRANSPOSED && shape.size() < 2;
  }

  /// Whether whole rows change places and nothing else.
  boolean permutesRows() {
    return switch (kind) {
      case SAME, TRANSPOSED, PLUS_ONE -> false;
      case ROTARY_QUERY, ROTARY_KEY, QKV_BY_HEAD, QKV_BY_GROUP -> true;
    };
  }

  /// The shape in the other layout.
  List<Long> shape(List<Long> shape) {
    return kind == Kind.TRANSPOSED ? shape.reversed() : shape;
  }

  /// Whether the rows of this tensor divide as the arrangement needs, and its sizes can be counted.
  boolean fits(List<Long> shape) {
    long rows = shape.isEmpty() ? 1 : shape.getFirst();
    boolean countable = shape.stream().allMatch(size -> size <= LARGEST_SIZE);
    return switch (kind) {
      case SAME, PLUS_ONE -> true;
      case TRANSPOSED -> countable && shape.size() <= 2;
      case ROTARY_QUERY -> countable && rows % (2L * heads) == 0;
      case ROTARY_KEY -> countable && rows % (2L * keyHeads) == 0;
      case QKV_BY_HEAD -> countable && rows % (3L * heads) == 0;
      case QKV_BY_GROUP ->
          countable && heads % keyHeads == 0 && rows % (heads + 2L * keyHeads) == 0;
    };
  }

  /// The row of Hugging Face's tensor that lies in row `row` of GGUF's, of `rows`.
  long rowInHuggingFace(long row, long rows) {
    return switch (kind) {
      case SAME, TRANSPOSED, PLUS_ONE -> row;
      case ROTARY_QUERY -> turned(row, rows / heads);
      case ROTARY_KEY -> turned(row, rows / keyHeads);
      case QKV_BY_HEAD -> {
        long width = rows / (3L * heads);
        long part = row / (heads * width);
        long head = row / width % heads;
        yield (head * 3 + part) * width + row % width;
      }
      case QKV_BY_GROUP -> {
        long width = rows / (heads + 2L * keyHeads);
        long group = heads / keyHeads;
        long head = row / width;
        long place =
            head < heads
                ? head / group * (group + 2) + head % group
                : head < heads + keyHeads
                    ? (head - heads) * (group + 2) + group
                    : (head - heads - keyHeads) * (group + 2) + group + 1;
        yield place * width + row % width;
      }
    };
  }

  private static long turned(long row, long width) {
    long head = row / width;
    long within = row % width;
    return head * width + within % 2 * (width / 2) + within / 2;
  }

  /// Rearranges the elements of GGUF's tensor (its shape) into Hugging Face's layout.
  void toHuggingFace(
      List<Long> shape, int elementBytes, MemorySegment gguf, MemorySegment huggingFace) {
    rearrange(shape, elementBytes, gguf, huggingFace, true);
  }

  /// Rearranges the elements of Hugging Face's tensor (its shape) into GGUF's layout.
  void toGguf(List<Long> shape, int elementBytes, MemorySegment huggingFace, MemorySegment gguf) {
    rearrange(shape, elementBytes, huggingFace, gguf, false);
  }

  private void rearrange(
      List<Long> shape, int elementBytes, MemorySegment from, MemorySegment to, boolean fromGguf) {
    if (from.byteSize() == 0) {
      return;
    }
    switch (kind) {
      case SAME -> MemorySegment.copy(from, 0, to, 0, from.byteSize());
      case TRANSPOSED -> transpose(shape, elementBytes, from, to);
      case PLUS_ONE -> add(fromGguf ? -1 : 1, elementBytes, from, to);
      case ROTARY_QUERY, ROTARY_KEY, QKV_BY_HEAD, QKV_BY_GROUP -> {
        long rows = shape.isEmpty() ? 1 : shape.getFirst();
        long rowBytes = rows == 0 ? 0 : from.byteSize() / rows;
        for (long row = 0; row < rows; row++) {
          long other = rowInHuggingFace(row, rows);
          long source = fromGguf ? row : other;
          long target = fromGguf ? other : row;
          MemorySegment.copy(from, source * rowBytes, to, target * rowBytes, rowBytes);
        }
      }
    }
  }

  private static void transpose(
      List<Long> shape, int elementBytes, MemorySegment from, MemorySegment to) {
    if (shape.size() < 2) {
      MemorySegment.copy(from, 0, to, 0, from.byteSize());
      return;
    }
    int rows = Math.toIntExact(shape.get(0));
    int columns = Math.toIntExact(shape.get(1));
    // Bands of 16 rows keep both sides in the cache.
    for (int band = 0; band < rows; band += 16) {
      int end = Math.min(rows, band + 16);
      for (int column = 0; column < columns; column++) {
        for (int row = band; row < end; row++) {
          long source = ((long) row * columns + column) * elementBytes;
          long target = ((long) column * rows + row) * elementBytes;
          switch (elementBytes) {
            case 4 ->
                to.set(
                    ValueLayout.JAVA_INT_UNALIGNED,
                    target,
                    from.get(ValueLayout.JAVA_INT_UNALIGNED, source));
            case 2 ->
                to.set(
                    ValueLayout.JAVA_SHORT_UNALIGNED,
                    target,
                    from.get(ValueLayout.JAVA_SHORT_UNALIGNED, source));
            default -> MemorySegment.copy(from, source, to, target, elementBytes);
          }
        }
      }
    }
  }

  private static void add(float amount, int elementBytes, MemorySegment from, MemorySegment to) {
    if (elementBytes != 4) {
      throw new IllegalArgumentException("adding to a tensor needs 32-bit floats");
    }
    for (long at = 0; at < from.byteSize(); at += 4) {
      to.set(FLOAT, at, from.get(FLOAT, at) + amount);
    }
  }
}
