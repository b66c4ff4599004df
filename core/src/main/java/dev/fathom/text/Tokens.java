package dev.fathom.text;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;

/// The tokens of an encoding while it grows.
final class Tokens {
  private int[] ids = new int[32];
  private int[] starts = new int[32];
  private int[] ends = new int[32];
  private int size;

  void add(int id, int start, int end) {
    if (size == ids.length) {
      ids = Arrays.copyOf(ids, size * 2);
      starts = Arrays.copyOf(starts, size * 2);
      ends = Arrays.copyOf(ends, size * 2);
    }
    ids[size] = id;
    starts[size] = start;
    ends[size] = end;
    size++;
  }

  /// Makes the last token reach to `end`.
  void extendTo(int end) {
    ends[size - 1] = end;
  }

  Encoding toEncoding(IntFunction<String> pieceOf) {
    List<String> pieces = new ArrayList<>(size);
    for (int i = 0; i < size; i++) {
      pieces.add(pieceOf.apply(ids[i]));
    }
    return new Encoding(
        Arrays.copyOf(ids, size), pieces, Arrays.copyOf(starts, size), Arrays.copyOf(ends, size));
  }
}
