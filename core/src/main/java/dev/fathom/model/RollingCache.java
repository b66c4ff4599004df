package dev.fathom.model;

import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/// Keys and values of the first `start` and the last `recent` tokens of some rows; those between
/// are forgotten (StreamingLLM: Xiao et al. 2023, section 3.2). Keys are kept before the rotation
/// and turned at use for their places inside the cache, so that positions never outgrow it. Its
/// memory is constant however long the text.
///
/// The segments of a pass say the place inside the cache of its tokens ([#next]); a full cache
/// takes one token a row at a time. Belongs to no scope: close it.
final class RollingCache implements KvStore, AutoCloseable {
  private final int start;
  private final int recent;
  private final List<Layer> layers = new ArrayList<>();
  private int rows;

  /// What one layer keeps: `k` and `v` are `[rows, kvHeads, start + recent, width]`.
  private record Layer(int[] held, Tensor k, Tensor v) {
    void free() {
      k.free();
      v.free();
    }
  }

  RollingCache(int rows, int start, int recent) {
    this.rows = rows;
    this.start = start;
    this.recent = recent;
  }

  int capacity() {
    return start + recent;
  }

  /// Tokens of a row that are kept.
  int held(int row) {
    return layers.isEmpty() ? 0 : layers.getFirst().held[row];
  }

  /// The place inside the cache of the next token of a row.
  int next(int row) {
    return Math.min(held(row), capacity() - 1);
  }

  long bytes() {
    return layers.stream().mapToLong(layer -> layer.k.bytes() + layer.v.bytes()).sum();
  }

  @Override
  public boolean turnedAtUse() {
    return true;
  }

  @Override
  public Keys extend(int layer, List<Segment> segments, Tensor k, Tensor v) {
    while (layers.size() <= layer) {
      layers.add(
          new Layer(
              new int[rows],
              Tensor.empty(k.dtype(), rows, k.size(1), capacity(), k.size(3)).keep(),
              Tensor.empty(v.dtype(), rows, v.size(1), capacity(), v.size(3)).keep()));
    }
    Layer store = layers.get(layer);
    int length = segments.getFirst().length();
    for (int s = 0; s < segments.size(); s++) {
      int row = segments.get(s).row();
      int over = Math.max(0, store.held[row] + length - capacity());
      if (over > 0 && length > 1) {
        throw new IllegalArgumentException(
            "a rolling cache of %d tokens that holds %d takes one more at a time, found %d"
                .formatted(capacity(), store.held[row], length));
      }
      int at = store.held[row] - over;
      for (boolean keys : new boolean[] {true, false}) {
        Tensor own = (keys ? store.k : store.v).select(0, row); // [kvHeads, capacity, width]
        if (over > 0 && at > start) {
          Tensor moved = own.narrow(1, start + over, at - start).copy();
          own.narrow(1, start, at - start).copyInPlace(moved);
        }
        own.narrow(1, at, length).copyInPlace((keys ? k : v).select(0, s));
      }
      store.held[row] = at + length;
    }
    int held = store.held[segments.getFirst().row()];
    long[] chosen = segments.stream().mapToLong(Segment::row).toArray();
    return new Keys(picked(store.k, chosen, held), picked(store.v, chosen, held));
  }

  private static Tensor picked(Tensor buffer, long[] chosen, int held) {
    return chosen.length == 1
        ? buffer.narrow(0, chosen[0], 1).narrow(2, 0, held)
        : buffer.narrow(2, 0, held).indexSelect(0, chosen);
  }

  /// Forgets what a row has from place `length` on; right only as long as it has forgotten nothing.
  void truncate(int row, int length) {
    layers.forEach(layer -> layer.held[row] = Math.min(layer.held[row], length));
  }

  /// Keeps these rows, in this order; a row that is named twice is forked.
  void select(int... chosen) {
    if (Arrays.equals(chosen, IntStream.range(0, rows).toArray())) {
      return;
    }
    try (var scope = Scope.withoutGradients()) {
      Tensor index = Tensor.of(chosen, chosen.length);
      layers.replaceAll(layer -> {
        var picked =
            new Layer(
                Arrays.stream(chosen).map(row -> layer.held[row]).toArray(),
                layer.k.indexSelect(0, index).keep(),
                layer.v.indexSelect(0, index).keep());
        layer.free();
        return picked;
      });
    }
    rows = chosen.length;
  }

  @Override
  public void close() {
    layers.forEach(Layer::free);
    layers.clear();
  }
}
