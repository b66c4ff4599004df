package dev.fathom.model;

import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Keys and values of everything that some rows have read so far, so that each next token costs one
/// query only. Grows by doubling; what it hands out are views, never copies, as long as the rows
/// that are computed together are neighbours.
///
/// ```java
/// try (var cache = new KvCache(1, model.card().context())) {
///   model.forward(ids, Pass.over(Layout.single(5)).with(cache).with(Wanted.LAST));
///   model.forward(next, Pass.over(new Layout(List.of(new Segment(0, 5, 1)))).with(cache));
/// }
/// ```
///
/// Every layer has its own lengths, and where tokens stand is what their [Segment] says: a layer
/// that was left out for some tokens can be given them later, all before any that follow. Tokens
/// that are given again replace the old ones and everything behind them.
///
/// Its memory belongs to no scope: close it. Meant for passes without gradients, on one thread.
public final class KvCache implements KvStore, AutoCloseable {
  private static final int SMALLEST_CAPACITY = 64;

  private final int context;
  private final List<Layer> layers = new ArrayList<>();
  private int rows;
  private boolean closed;

  /// What one layer keeps: `k` and `v` are `[rows, kvHeads, capacity, width]`. Positions of a row
  /// from `clean` on are not even numbers yet.
  private static final class Layer {
    private final int[] lengths;
    private final int[] clean;
    private final Tensor k;
    private final Tensor v;
    private final int capacity;

    Layer(int[] lengths, int[] clean, Tensor k, Tensor v, int capacity) {
      this.lengths = lengths;
      this.clean = clean;
      this.k = k;
      this.v = v;
      this.capacity = capacity;
    }

    void free() {
      k.free();
      v.free();
    }
  }

  /// @param rows how many rows, numbered from 0
  /// @param context most positions of a row
  public KvCache(int rows, int context) {
    if (rows < 1 || context < 1) {
      throw new IllegalArgumentException(
          "a cache needs at least one row and one position, found %d and %d"
              .formatted(rows, context));
    }
    this.rows = rows;
    this.context = context;
  }

  public int rows() {
    return rows;
  }

  /// Positions of a row that a layer has, from 0 on.
  public int length(int layer, int row) {
    return layer < layers.size() ? layers.get(layer).lengths[row] : 0;
  }

  /// Bytes of the buffers, reserved room included.
  public long bytes() {
    return layers.stream().mapToLong(layer -> layer.k.bytes() + layer.v.bytes()).sum();
  }

  @Override
  public Keys extend(int layer, List<Segment> segments, Tensor k, Tensor v) {
    requireOpen();
    Segment like = segments.getFirst();
    Layer store = room(layer, like.end(), k, v);
    lengthen(layer, store, segments);
    if (neighbours(segments)) {
      return new Keys(
          written(rowsOf(store.k, segments), like, k), written(rowsOf(store.v, segments), like, v));
    }
    for (int s = 0; s < segments.size(); s++) {
      List<Segment> alone = List.of(segments.get(s));
      written(rowsOf(store.k, alone), like, k.narrow(0, s, 1));
      written(rowsOf(store.v, alone), like, v.narrow(0, s, 1));
    }
    Tensor index = Tensor.of(segments.stream().mapToInt(Segment::row).toArray(), segments.size());
    return new Keys(
        store.k.narrow(2, 0, like.end()).indexSelect(0, index),
        store.v.narrow(2, 0, like.end()).indexSelect(0, index));
  }

  private static void lengthen(int layer, Layer store, List<Segment> segments) {
    for (Segment segment : segments) {
      requireNoGap(layer, store, segment);
      int row = segment.row();
      store.lengths[row] = segment.end();
      store.clean[row] = Math.max(store.clean[row], segment.end());
    }
  }

  @Override
  public @Nullable Keys extendEach(
      int layer, List<Segment> segments, Tensor k, Tensor v, Tensor at) {
    requireOpen();
    if (!neighbours(segments)) {
      return null;
    }
    int longest = segments.stream().mapToInt(Segment::end).max().orElseThrow();
    Layer store = room(layer, longest, k, v);
    lengthen(layer, store, segments);
    for (Segment segment : segments) {
      clean(store, segment.row(), longest);
    }
    Tensor index = at.expand(k.shape());
    Tensor keys = rowsOf(store.k, segments).scatterInPlace(2, index, k);
    Tensor values = rowsOf(store.v, segments).scatterInPlace(2, index, v);
    return new Keys(keys.narrow(2, 0, longest), values.narrow(2, 0, longest));
  }

  /// Zeroes what a row has not written yet, if positions up to `end` are to be read: masked or not,
  /// what is no number would spread.
  private static void clean(Layer store, int row, int end) {
    int from = store.clean[row];
    if (from < end) {
      Tensor zero = Tensor.zeros(store.k.dtype(), 1);
      for (Tensor buffer : List.of(store.k, store.v)) {
        buffer.narrow(0, row, 1).narrow(2, from, store.capacity - from).copyInPlace(zero);
      }
      store.clean[row] = store.capacity;
    }
  }

  /// Puts new keys or values where they belong and returns all from position 0 on.
  private static Tensor written(Tensor rows, Segment like, Tensor fresh) {
    rows.narrow(2, like.start(), like.length()).copyInPlace(fresh);
    return rows.narrow(2, 0, like.end());
  }

  private Tensor rowsOf(Tensor buffer, List<Segment> segments) {
    return segments.size() == rows
        ? buffer
        : buffer.narrow(0, segments.getFirst().row(), segments.size());
  }

  private static boolean neighbours(List<Segment> segments) {
    for (int s = 1; s < segments.size(); s++) {
      if (segments.get(s).row() != segments.get(s - 1).row() + 1) {
        return false;
      }
    }
    return true;
  }

  /// The buffers of a layer, with room for `end` positions.
  private Layer room(int layer, int end, Tensor k, Tensor v) {
    if (end > context) {
      throw new IllegalArgumentException(
          "a row of %d tokens does not fit a cache for %d".formatted(end, context));
    }
    while (layers.size() <= layer) {
      layers.add(layer(new int[rows], new int[rows], k, v, capacityFor(end)));
    }
    Layer store = layers.get(layer);
    if (store.capacity < end) {
      int used = Arrays.stream(store.lengths).max().orElse(0);
      int[] clean = Arrays.stream(store.clean).map(from -> Math.min(from, used)).toArray();
      Layer grown = layer(store.lengths, clean, k, v, capacityFor(end));
      grown.k.narrow(2, 0, used).copyInPlace(store.k.narrow(2, 0, used));
      grown.v.narrow(2, 0, used).copyInPlace(store.v.narrow(2, 0, used));
      store.free();
      layers.set(layer, grown);
      return grown;
    }
    return store;
  }

  private Layer layer(int[] lengths, int[] clean, Tensor k, Tensor v, int capacity) {
    return new Layer(
        lengths,
        clean,
        Tensor.empty(k.dtype(), rows, k.size(1), capacity, k.size(3)).keep(),
        Tensor.empty(v.dtype(), rows, v.size(1), capacity, v.size(3)).keep(),
        capacity);
  }

  private int capacityFor(int positions) {
    int power = Integer.highestOneBit(Math.max(positions, SMALLEST_CAPACITY) - 1) << 1;
    return Math.min(context, power);
  }

  private static void requireNoGap(int layer, Layer store, Segment segment) {
    int length = store.lengths[segment.row()];
    if (segment.start() > length) {
      throw new IllegalStateException(
          "layer %d has %d positions of row %d; position %d cannot follow before those between"
              .formatted(layer, length, segment.row(), segment.start()));
    }
  }

  /// Forgets what a row has from position `length` on.
  public void truncate(int row, int length) {
    requireOpen();
    for (Layer layer : layers) {
      layer.lengths[row] = Math.min(layer.lengths[row], length);
    }
  }

  /// Keeps these rows, in this order, numbered anew from 0; a row that is named twice is forked.
  public void select(int... chosen) {
    requireOpen();
    if (chosen.length == 0) {
      throw new IllegalArgumentException("a cache keeps at least one row");
    }
    if (Arrays.equals(chosen, IntStream.range(0, rows).toArray())) {
      return;
    }
    for (int row : chosen) {
      if (row < 0 || row >= rows) {
        throw new IllegalArgumentException("there is no row %d among %d".formatted(row, rows));
      }
    }
    try (var scope = Scope.withoutGradients()) {
      Tensor index = Tensor.of(chosen, chosen.length);
      layers.replaceAll(layer -> picked(layer, chosen, index));
    }
    rows = chosen.length;
  }

  private static Layer picked(Layer layer, int[] chosen, Tensor index) {
    var picked =
        new Layer(
            Arrays.stream(chosen).map(row -> layer.lengths[row]).toArray(),
            Arrays.stream(chosen).map(row -> layer.clean[row]).toArray(),
            layer.k.indexSelect(0, index).keep(),
            layer.v.indexSelect(0, index).keep(),
            layer.capacity);
    layer.free();
    return picked;
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("this cache is closed");
    }
  }

  /// Frees its memory; keys and values that it handed out must not be read afterwards.
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      layers.forEach(Layer::free);
      layers.clear();
    }
  }
}
