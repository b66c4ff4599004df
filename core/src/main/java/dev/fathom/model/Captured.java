package dev.fathom.model;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;

/// Values of one slice of one pass, in F32: `[batch, positions, …]`, or at pairwise sites `[batch,
/// heads, queries, keys]`. The batch axis has the captured rows in ascending order.
///
/// Rows differ in length; shorter ones are filled up on the right with zeros, which are no values:
/// [#length] says how many positions of a row are. Masked scores are negative infinity, as the
/// model has them; nothing here is NaN unless the model computed it. Equal by content; holds no
/// native memory.
public final class Captured {
  private final Slice slice;
  private final List<Integer> rows;
  private final int[] starts;
  private final int[] lengths;
  private final int[] shape;
  private final float[] values;

  private Captured(
      Slice slice, List<Integer> rows, int[] starts, int[] lengths, int[] shape, float[] values) {
    this.slice = slice;
    this.rows = List.copyOf(rows);
    this.starts = starts;
    this.lengths = lengths;
    this.shape = shape;
    this.values = values;
  }

  static Captured of(Slice slice, SortedMap<Integer, Capture.Part> parts) {
    int axes = parts.firstEntry().getValue().dims.length;
    int[] shape = new int[axes + 1];
    shape[0] = parts.size();
    int[] starts = new int[shape[0]];
    int[] lengths = new int[shape[0]];
    int positionAxis = slice.site().kind().pairwise() ? 1 : 0;
    int b = 0;
    for (Capture.Part part : parts.values()) {
      starts[b] = part.start;
      lengths[b++] = part.dims[positionAxis];
      for (int axis = 0; axis < axes; axis++) {
        shape[axis + 1] = Math.max(shape[axis + 1], part.dims[axis]);
      }
    }
    int each = 1;
    for (int axis = 1; axis <= axes; axis++) {
      each = Math.multiplyExact(each, shape[axis]);
    }
    float[] values = new float[Math.multiplyExact(each, shape[0])];
    b = 0;
    for (Capture.Part part : parts.values()) {
      place(part, shape, values, b++ * each);
    }
    return new Captured(slice, List.copyOf(parts.keySet()), starts, lengths, shape, values);
  }

  /// Copies the runs along the last axis of a part to where they stand among padding.
  private static void place(Capture.Part part, int[] shape, float[] values, int offset) {
    int[] dims = part.dims;
    int run = dims[dims.length - 1];
    if (run == 0) {
      return;
    }
    for (int from = 0; from < part.values.length; from += run) {
      int rest = from / run;
      int to = 0;
      int stride = shape[dims.length];
      for (int axis = dims.length - 2; axis >= 0; axis--) {
        to += rest % dims[axis] * stride;
        rest /= dims[axis];
        stride *= shape[axis + 1];
      }
      System.arraycopy(part.values, from, values, offset + to, run);
    }
  }

  public Slice slice() {
    return slice;
  }

  public Site site() {
    return slice.site();
  }

  /// Row numbers of the layout along the batch axis.
  public List<Integer> rows() {
    return rows;
  }

  /// Sizes of the axes.
  public int[] shape() {
    return shape.clone();
  }

  /// All values in row-major order, padding included.
  public float[] values() {
    return values.clone();
  }

  /// How many positions of a batch entry are values, not padding.
  public int length(int batch) {
    return lengths[batch];
  }

  /// The absolute position, within its row, of a batch entry's first value.
  public int start(int batch) {
    return starts[batch];
  }

  /// One number.
  public float at(int... index) {
    if (index.length != shape.length) {
      throw new IllegalArgumentException(
          "%s has %d axes %s, found %d indices"
              .formatted(slice, shape.length, Arrays.toString(shape), index.length));
    }
    int at = 0;
    for (int axis = 0; axis < shape.length; axis++) {
      at = at * shape[axis] + Objects.checkIndex(index[axis], shape[axis]);
    }
    return values[at];
  }

  /// All numbers of one position (of one head's queries at pairwise sites: first `batch`, then
  /// `head`).
  public float[] vector(int batch, int position) {
    int each = values.length / shape[0] / shape[1];
    int from = (batch * shape[1] + Objects.checkIndex(position, shape[1])) * each;
    return Arrays.copyOfRange(values, from, from + each);
  }

  /// Bytes of the arrays.
  public long bytes() {
    return 4L * values.length;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Captured that
        && slice.equals(that.slice)
        && rows.equals(that.rows)
        && Arrays.equals(starts, that.starts)
        && Arrays.equals(lengths, that.lengths)
        && Arrays.equals(shape, that.shape)
        && Arrays.equals(values, that.values);
  }

  @Override
  public int hashCode() {
    return 31 * slice.hashCode() + Arrays.hashCode(values);
  }

  @Override
  public String toString() {
    return slice + " " + Arrays.toString(shape);
  }
}
