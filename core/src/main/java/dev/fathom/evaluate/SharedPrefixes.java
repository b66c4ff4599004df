package dev.fathom.evaluate;

import dev.fathom.model.KvStore;
import dev.fathom.model.Segment;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Rows that begin alike, so that what they begin with is read once: in one pass, as a segment of
/// its own that comes before the rows' own segments, whose queries see its keys and values.
final class SharedPrefixes implements KvStore {
  /// Rows of one cluster, at most.
  private static final int MOST_ROWS = 16;

  /// Shorter beginnings are not worth a segment.
  private static final int SHORTEST = 2;

  private final Map<Integer, Integer> parents;
  private final Map<Integer, Kept> kept = new HashMap<>();
  private int layer = -1;

  /// @param parents for each row that goes on from another one's end, the number of that row
  SharedPrefixes(Map<Integer, Integer> parents) {
    this.parents = Map.copyOf(parents);
  }

  /// Keys and values of the segments of one length that start at position 0, of the current layer.
  private record Kept(Map<Integer, Integer> places, Tensor k, Tensor v) {
    /// Where the row stands that a row goes on from.
    long place(Map<Integer, Integer> parents, int row) {
      Integer parent = parents.get(row);
      Integer place = parent == null ? null : places.get(parent);
      if (place == null) {
        throw new IllegalStateException("row %d goes on from no row".formatted(row));
      }
      return place;
    }
  }

  @Override
  public Keys extend(int layer, List<Segment> segments, Tensor k, Tensor v) {
    if (layer != this.layer) {
      kept.clear(); // they lived as long as their block
      this.layer = layer;
    }
    int start = segments.getFirst().start();
    if (start == 0) {
      var places = new HashMap<Integer, Integer>();
      for (int s = 0; s < segments.size(); s++) {
        places.put(segments.get(s).row(), s);
      }
      kept.put(segments.getFirst().length(), new Kept(places, k, v));
      return new Keys(k, v);
    }
    Kept before = kept.get(start);
    if (before == null) {
      throw new IllegalStateException("no row of %d tokens came before".formatted(start));
    }
    long[] places = segments.stream().mapToLong(s -> before.place(parents, s.row())).toArray();
    return new Keys(
        Tensor.cat(List.of(before.k.indexSelect(0, places), k), 2),
        Tensor.cat(List.of(before.v.indexSelect(0, places), v), 2));
  }

  /// Rows that are read together.
  ///
  /// @param shared tokens that all of them begin with, read once; 0 for a row by itself. Each row
  ///   has at least one more
  /// @param rows their numbers
  record Cluster(int shared, List<Integer> rows) {}

  /// Puts rows into clusters so that as many tokens as possible are read only once: neighbours in
  /// the order of a dictionary, by the best of all ways to cut that order.
  ///
  /// @param rows tokens to read, at least one each
  static List<Cluster> of(List<int[]> rows) {
    int n = rows.size();
    Integer[] order = new Integer[n];
    Arrays.setAll(order, i -> i);
    Arrays.sort(order, Comparator.comparing(rows::get, Arrays::compare));
    int[] saved = new int[n + 1]; // by the first i rows of the order
    int[] from = new int[n + 1]; // where the last cluster of these begins
    int[] common = new int[n + 1]; // what it shares
    for (int i = 1; i <= n; i++) {
      saved[i] = saved[i - 1];
      from[i] = i - 1;
      int shared = Integer.MAX_VALUE;
      for (int first = i - 2; first >= Math.max(0, i - MOST_ROWS); first--) {
        shared = Math.min(shared, shared(rows.get(order[first]), rows.get(order[first + 1])));
        if (shared < SHORTEST) {
          break;
        }
        int saving = saved[first] + (i - first - 1) * shared;
        if (saving > saved[i]) {
          saved[i] = saving;
          from[i] = first;
          common[i] = shared;
        }
      }
    }
    var clusters = new ArrayList<Cluster>();
    for (int i = n; i > 0; i = from[i]) {
      clusters.add(new Cluster(common[i], List.of(order).subList(from[i], i)));
    }
    return clusters;
  }

  /// How many tokens two rows begin with, leaving each at least one more.
  private static int shared(int[] a, int[] b) {
    int mismatch = Arrays.mismatch(a, b);
    int same = mismatch < 0 ? a.length : mismatch;
    return Math.min(same, Math.min(a.length, b.length) - 1);
  }
}
