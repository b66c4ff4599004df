package dev.fathom.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiPredicate;

/// A part of a site: some rows of a batch, some heads or neurons, some positions. What a [Capture]
/// keeps and an [Intervention] changes.
///
/// ```java
/// Slice.of(Site.of(Kind.Z, 10)).heads(7).at(PositionSpan.LAST)
/// ```
///
/// At [Kind#pairwise] sites the positions are those of the queries.
///
/// @param rows row numbers of the layout, ascending; empty for all
/// @param units heads or neurons, ascending; empty for all
public record Slice(Site site, List<Integer> rows, List<Integer> units, PositionSpan positions) {
  public Slice {
    rows = ascending(rows, "row");
    units = ascending(units, "head or neuron");
    Kind kind = site.kind();
    if (!units.isEmpty() && !kind.perHead() && !perNeuron(kind)) {
      throw new IllegalArgumentException(
          "%s has neither heads nor neurons to choose from: heads are at q, k, v, scores, pattern, z and head_out, neurons at mlp_gate, mlp_up and mlp_act"
              .formatted(site));
    }
  }

  /// The whole site.
  public static Slice of(Site site) {
    return new Slice(site, List.of(), List.of(), PositionSpan.ALL);
  }

  /// The whole site of a layer.
  public static Slice of(Kind kind, int layer) {
    return of(Site.of(kind, layer));
  }

  /// Only these heads; key/value heads at k, v and k_rot.
  public Slice heads(int... heads) {
    if (!site.kind().perHead()) {
      throw new IllegalArgumentException(site + " has no heads");
    }
    return new Slice(site, rows, boxed(heads), positions);
  }

  /// Only these neurons.
  public Slice neurons(int... neurons) {
    if (!perNeuron(site.kind())) {
      throw new IllegalArgumentException(site + " has no neurons");
    }
    return new Slice(site, rows, boxed(neurons), positions);
  }

  public Slice at(PositionSpan positions) {
    return new Slice(site, rows, units, positions);
  }

  /// Only this position; negative counts from the end.
  public Slice at(int position) {
    return at(PositionSpan.at(position));
  }

  /// Only these rows of the batch.
  public Slice onRows(int... rows) {
    return new Slice(site, boxed(rows), units, positions);
  }

  /// Whether the second axis counts neurons.
  static boolean perNeuron(Kind kind) {
    return switch (kind) {
      case MLP_GATE, MLP_UP, MLP_ACT -> true;
      default -> false;
    };
  }

  /// Whether both are sure to hold a common number, whatever the lengths of the rows.
  public boolean overlaps(Slice other) {
    return meetsBesidesPositions(other) && positions.alwaysMeets(other.positions);
  }

  /// Whether both hold a common number of these rows.
  boolean overlaps(Slice other, Layout layout) {
    if (!meetsBesidesPositions(other)) {
      return false;
    }
    for (Segment segment : layout.segments()) {
      if (covers(segment.row()) && other.covers(segment.row())) {
        Tokens mine = in(segment);
        Tokens others = other.in(segment);
        if (mine.from < others.end && others.from < mine.end) {
          return true;
        }
      }
    }
    return false;
  }

  private boolean meetsBesidesPositions(Slice other) {
    return site.equals(other.site) && meet(rows, other.rows) && meet(units, other.units);
  }

  private static boolean meet(List<Integer> a, List<Integer> b) {
    return a.isEmpty() || b.isEmpty() || !Collections.disjoint(a, b);
  }

  boolean covers(int row) {
    return rows.isEmpty() || Collections.binarySearch(rows, row) >= 0;
  }

  /// Tokens `from` to `end` (exclusive), counted from the first of a segment.
  record Tokens(int from, int end) {
    int count() {
      return end - from;
    }
  }

  /// Which tokens of a segment these positions are.
  ///
  /// @throws IllegalArgumentException if the row has no such position or the pass does not compute
  ///   it
  Tokens in(Segment segment) {
    if (positions.equals(PositionSpan.ALL)) {
      return new Tokens(0, segment.length());
    }
    int length = segment.end();
    int from = positions.first() < 0 ? length + positions.first() : positions.first();
    int end = 1 + (positions.last() < 0 ? length + positions.last() : positions.last());
    if (from < 0 || end > length || from >= end) {
      throw new IllegalArgumentException(
          "%s: row %d has %d positions, so there are none at '%s'"
              .formatted(this, segment.row(), length, positions));
    }
    if (from < segment.start()) {
      throw new IllegalArgumentException(
          "%s: this pass computes only positions %d to %d of row %d there, not %d: ask for all queries (Wanted.ALL) or start the row earlier"
              .formatted(this, segment.start(), length - 1, segment.row(), from));
    }
    return new Tokens(from - segment.start(), end - segment.start());
  }

  /// The packed tokens of a layout that this covers, in packed order.
  ///
  /// @throws IllegalArgumentException as [#in], and if the layout has none of the rows
  long[] tokens(Layout layout) {
    int[] offsets = layout.offsets();
    long[] tokens = new long[layout.tokens()];
    int n = 0;
    for (int s = 0; s < layout.segments().size(); s++) {
      Segment segment = layout.segments().get(s);
      if (covers(segment.row())) {
        Tokens in = in(segment);
        for (int t = in.from; t < in.end; t++) {
          tokens[n++] = (long) offsets[s] + t;
        }
      }
    }
    if (n == 0) {
      throw new IllegalArgumentException(
          "%s: the batch has none of the rows %s".formatted(this, rows));
    }
    return Arrays.copyOf(tokens, n);
  }

  /// Heads or neurons as an index, empty for all.
  long[] unitIndex() {
    return units.stream().mapToLong(Integer::longValue).toArray();
  }

  /// Refuses two slices of one list that are sure to overlap.
  static void requireDisjoint(List<Slice> slices) {
    requireDisjoint(slices, Slice::overlaps);
  }

  /// Refuses two slices of one list that overlap in these rows.
  static void requireDisjoint(List<Slice> slices, Layout layout) {
    requireDisjoint(slices, (a, b) -> a.overlaps(b, layout));
  }

  /// Compares only slices of one site that may share a row, so that a batch with changes of its own
  /// in each row costs no more than its length.
  private static void requireDisjoint(List<Slice> slices, BiPredicate<Slice, Slice> overlap) {
    var sites = new HashMap<Site, Earlier>();
    for (Slice slice : slices) {
      Earlier earlier = sites.computeIfAbsent(slice.site, _ -> new Earlier());
      for (Slice other : earlier.near(slice)) {
        if (overlap.test(slice, other)) {
          throw conflict(other, slice);
        }
      }
      earlier.add(slice);
    }
  }

  /// The slices of one site so far.
  private static final class Earlier {
    private final List<Slice> all = new ArrayList<>();
    private final List<Slice> everywhere = new ArrayList<>(); // those of all rows
    private final Map<Integer, List<Slice>> byRow = new HashMap<>();

    /// Those that may share a row with a slice.
    List<Slice> near(Slice slice) {
      if (slice.rows.isEmpty()) {
        return all;
      }
      var near = new ArrayList<>(everywhere);
      slice.rows.forEach(row -> near.addAll(byRow.getOrDefault(row, List.of())));
      return near;
    }

    void add(Slice slice) {
      all.add(slice);
      if (slice.rows.isEmpty()) {
        everywhere.add(slice);
      }
      slice.rows.forEach(row -> byRow.computeIfAbsent(row, _ -> new ArrayList<>()).add(slice));
    }
  }

  private static IllegalArgumentException conflict(Slice a, Slice b) {
    return new IllegalArgumentException(
        "%s and %s would both be changed, and the result would depend on the order: make them one change, or choose other positions, heads or rows"
            .formatted(a, b));
  }

  private static List<Integer> boxed(int[] values) {
    return Arrays.stream(values).boxed().toList();
  }

  private static List<Integer> ascending(List<Integer> values, String what) {
    var sorted = new ArrayList<>(values);
    Collections.sort(sorted);
    for (int i = 0; i < sorted.size(); i++) {
      if (sorted.get(i) < 0) {
        throw new IllegalArgumentException(
            "a %s is a number from 0, found %d".formatted(what, sorted.get(i)));
      }
      if (i > 0 && sorted.get(i).equals(sorted.get(i - 1))) {
        throw new IllegalArgumentException("%s %d is named twice".formatted(what, sorted.get(i)));
      }
    }
    return List.copyOf(sorted);
  }

  /// Such as `z.10.h7@last`, with several heads as `z.10.h6+h7`, and the rows after it.
  @Override
  public String toString() {
    var text = new StringBuilder(site.toString());
    String letter = site.kind().perHead() ? "h" : "n";
    for (int i = 0; i < units.size(); i++) {
      text.append(i == 0 ? '.' : '+').append(letter).append(units.get(i));
    }
    if (!positions.equals(PositionSpan.ALL)) {
      text.append('@').append(positions);
    }
    if (!rows.isEmpty()) {
      text.append(" of rows ").append(rows);
    }
    return text.toString();
  }
}
