package dev.fathom.model;

import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/// A tap that keeps the values of some slices, as plain arrays, beyond the pass. Only the picked
/// rows, heads, neurons and positions are copied out.
///
/// ```java
/// var capture = Capture.of(Slice.of(Kind.RESID_POST, 3).at(PositionSpan.LAST));
/// model.forward(ids, Pass.over(layout).with(capture));
/// float[] last = capture.get(Site.of(Kind.RESID_POST, 3)).vector(0, 0);
/// ```
///
/// It holds one pass; use another for the next. In a chain with changes ([Tap#then]) it sees what
/// the taps before it made of the value.
public final class Capture implements Tap {
  private final Map<Slice, TreeMap<Integer, Part>> parts = new LinkedHashMap<>();
  private final Set<Site> sites = new TreeSet<>();

  /// What one row has.
  static final class Part {
    /// The absolute position of its first value.
    final int start;

    /// Sizes of the axes of its array.
    final int[] dims;

    final float[] values;

    private Part(int start, int[] dims, float[] values) {
      this.start = start;
      this.dims = dims;
      this.values = values;
    }
  }

  private Capture(Collection<Slice> slices) {
    for (Slice slice : slices) {
      parts.put(slice, new TreeMap<>());
      sites.add(slice.site());
    }
  }

  public static Capture of(Collection<Slice> slices) {
    return new Capture(slices);
  }

  public static Capture of(Slice... slices) {
    return new Capture(List.of(slices));
  }

  /// Whole sites.
  public static Capture of(Site... sites) {
    return new Capture(Arrays.stream(sites).map(Slice::of).toList());
  }

  @Override
  public Set<Site> sites() {
    return sites;
  }

  /// What was kept of a slice this capture was made with.
  ///
  /// @throws IllegalArgumentException if it was not made with it
  /// @throws IllegalStateException if no pass has run yet
  public Captured get(Slice slice) {
    var rows = parts.get(slice);
    if (rows == null) {
      throw new IllegalArgumentException(
          "%s was not captured, only %s".formatted(slice, parts.keySet()));
    }
    if (rows.isEmpty()) {
      throw new IllegalStateException("%s: no pass has run with this capture".formatted(slice));
    }
    return Captured.of(slice, rows);
  }

  /// What was kept of the only slice of a site.
  public Captured get(Site site) {
    List<Slice> here = parts.keySet().stream().filter(s -> s.site().equals(site)).toList();
    if (here.size() != 1) {
      throw new IllegalArgumentException(
          here.isEmpty()
              ? "%s was not captured, only %s".formatted(site, sites)
              : "several parts of %s were captured: name one of %s".formatted(site, here));
    }
    return get(here.getFirst());
  }

  @Override
  public Tensor at(Site site, Tensor value, Layout rows) {
    for (var entry : parts.entrySet()) {
      if (entry.getKey().site().equals(site)) {
        keep(entry.getKey(), value, rows, entry.getValue());
      }
    }
    return value;
  }

  private static void keep(Slice slice, Tensor value, Layout rows, Map<Integer, Part> kept) {
    Taps.requireUnits(slice, value);
    boolean pairwise = slice.site().kind().pairwise();
    if (!pairwise) {
      slice.tokens(rows); // refuses rows and positions that are not there
    }
    int[] offsets = rows.offsets();
    for (int s = 0; s < rows.segments().size(); s++) {
      Segment segment = rows.segments().get(s);
      if (!slice.covers(segment.row())) {
        continue;
      }
      if (kept.containsKey(segment.row())) {
        throw new IllegalStateException(
            "%s: row %d came twice; a Capture holds one pass with one segment a row"
                .formatted(slice, segment.row()));
      }
      Slice.Tokens in = slice.in(segment);
      try (var _ = Scope.open()) {
        Tensor part =
            pairwise
                ? value.select(0, s).narrow(1, in.from(), in.count()) // [heads, queries, keys]
                : value.narrow(0, (long) offsets[s] + in.from(), in.count()); // [positions, …]
        if (!slice.units().isEmpty()) {
          part = part.indexSelect(pairwise ? 0 : 1, slice.unitIndex());
        }
        int[] dims = Arrays.stream(part.shape()).mapToInt(Math::toIntExact).toArray();
        kept.put(segment.row(), new Part(segment.start() + in.from(), dims, part.toFloats()));
      }
    }
  }
}
