package dev.fathom.explain.lens;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// The k largest of a row of floats in native memory, and how many exceed a given one, in one scan.
final class RowTop {
  final int[] ids;
  final float[] values;
  private int found;

  RowTop(int k) {
    ids = new int[k];
    values = new float[k];
  }

  /// Scans `columns` floats from byte `offset`; equal values keep their order, the first is best.
  void scan(MemorySegment row, long offset, int columns) {
    found = 0;
    float least = Float.NEGATIVE_INFINITY;
    for (int c = 0; c < columns; c++) {
      float value = row.get(ValueLayout.JAVA_FLOAT, offset + 4L * c);
      if (found < ids.length || value > least) {
        insert(c, value);
        least = values[found - 1];
      }
    }
  }

  private void insert(int id, float value) {
    int at = found < ids.length ? found++ : found - 1;
    while (at > 0 && values[at - 1] < value) {
      ids[at] = ids[at - 1];
      values[at] = values[at - 1];
      at--;
    }
    ids[at] = id;
    values[at] = value;
  }

  /// How many of the row are strictly greater than `value`.
  static int countGreater(MemorySegment row, long offset, int columns, float value) {
    int count = 0;
    for (int c = 0; c < columns; c++) {
      count += row.get(ValueLayout.JAVA_FLOAT, offset + 4L * c) > value ? 1 : 0;
    }
    return count;
  }
}
