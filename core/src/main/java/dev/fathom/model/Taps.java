package dev.fathom.model;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/// The common taps: watching, replacing, scaling, zeroing, steering.
///
/// ```java
/// var z = Slice.of(Kind.Z, 3);
/// Pass pass = Pass.over(layout).with(Taps.zero(z.heads(2)).then(Taps.scale(z.heads(5).at(-1), 0.5)));
/// ```
///
/// To keep values beyond the pass use a [Capture].
public final class Taps {
  private Taps() {}

  /// What is shown the values of a pass.
  public interface Sink {
    /// Takes one value.
    ///
    /// @param value as in [Tap#at]; belongs to a scope that closes soon
    void accept(Site site, Tensor value, Layout rows);
  }

  /// Shows the values at some sites to a sink and changes nothing.
  public static Tap capture(Set<Site> sites, Sink sink) {
    var named = Set.copyOf(sites);
    return new Tap() {
      @Override
      public Set<Site> sites() {
        return named;
      }

      @Override
      public Tensor at(Site site, Tensor value, Layout rows) {
        sink.accept(site, value, rows);
        return value;
      }
    };
  }

  /// The value at a slice becomes `value`, broadcast.
  public static Tap set(Slice slice, Tensor value) {
    return of(List.of(new Intervention.Replace(slice, value)));
  }

  /// The value at a slice becomes zero.
  public static Tap zero(Slice slice) {
    return of(List.of(new Intervention.Zero(slice)));
  }

  /// The value at a slice is multiplied by `factor`.
  public static Tap scale(Slice slice, double factor) {
    return of(List.of(new Intervention.Scale(slice, factor)));
  }

  /// `factor` times `vector` is added to the value at a slice.
  public static Tap add(Slice slice, Tensor vector, double factor) {
    return of(List.of(new Intervention.Add(slice, vector, factor)));
  }

  /// The value at a slice becomes a function of itself.
  public static Tap change(Slice slice, UnaryOperator<Tensor> by) {
    return of(List.of(new Intervention.Change(slice, by)));
  }

  /// All of these changes.
  ///
  /// @throws IllegalArgumentException if two of them would change the same numbers; where that
  ///   depends on the lengths of the rows, it is thrown by the pass
  public static Tap of(Collection<? extends Intervention> interventions) {
    return new Intervening(List.copyOf(interventions));
  }

  private static final class Intervening implements Tap {
    private final Map<Site, List<Intervention>> bySite = new TreeMap<>();
    private final List<Slice> writes;

    Intervening(List<Intervention> interventions) {
      writes = interventions.stream().map(Intervention::slice).toList();
      Slice.requireDisjoint(writes);
      for (Intervention intervention : interventions) {
        bySite
            .computeIfAbsent(intervention.slice().site(), _ -> new ArrayList<>())
            .add(intervention);
      }
    }

    @Override
    public Set<Site> sites() {
      return new TreeSet<>(bySite.keySet());
    }

    @Override
    public List<Slice> writes() {
      return writes;
    }

    @Override
    public Tensor at(Site site, Tensor value, Layout rows) {
      List<Intervention> here = bySite.getOrDefault(site, List.of());
      if (here.size() > 1) {
        Slice.requireDisjoint(here.stream().map(Intervention::slice).toList(), rows);
        if (!site.kind().pairwise()) {
          return together(here, value, rows);
        }
        int[] owners = owners(here, rows);
        if (owners != null) {
          return rowByRow(here, owners, value, rows);
        }
      }
      Tensor result = value;
      for (Intervention intervention : here) {
        result = onPart(intervention.slice(), result, rows, change(intervention));
      }
      return result;
    }
  }

  /// Many disjoint changes with one copy of the value, however many they are.
  private static Tensor together(List<Intervention> changes, Tensor value, Layout rows) {
    boolean units = changes.stream().anyMatch(change -> !change.slice().units().isEmpty());
    long each = units ? value.size(1) : 1;
    Tensor flat = units ? value.flatten(0, 1) : value; // [tokens · units, …]
    var places = new ArrayList<long[]>();
    var changed = new ArrayList<Tensor>();
    for (Intervention intervention : changes) {
      Slice slice = intervention.slice();
      requireUnits(slice, value);
      long[] tokens = slice.tokens(rows);
      long[] chosen =
          slice.units().isEmpty() ? LongStream.range(0, each).toArray() : slice.unitIndex();
      long[] index =
          Arrays.stream(tokens)
              .flatMap(token -> Arrays.stream(chosen).map(unit -> token * each + unit))
              .toArray();
      long[] shape = value.shape();
      shape[0] = tokens.length;
      if (units) {
        shape[1] = chosen.length;
      }
      Tensor part = flat.indexSelect(0, index).reshape(shape);
      Tensor now = change(intervention).apply(part);
      changed.add(units ? now.flatten(0, 1) : now);
      places.add(index);
    }
    long[] index = places.stream().flatMapToLong(Arrays::stream).toArray();
    return flat.indexCopy(0, Tensor.of(index, index.length), Tensor.cat(changed, 0))
        .reshape(value.shape());
  }

  /// Which change each row of the layout has, -1 for none; null unless each is of one row of its
  /// own.
  private static int @Nullable [] owners(List<Intervention> changes, Layout rows) {
    var byRow = new HashMap<Integer, Integer>();
    for (int i = 0; i < changes.size(); i++) {
      List<Integer> own = changes.get(i).slice().rows();
      if (own.size() != 1 || byRow.put(own.getFirst(), i) != null) {
        return null;
      }
    }
    return rows.segments().stream()
        .mapToInt(segment -> byRow.getOrDefault(segment.row(), -1))
        .toArray();
  }

  /// Changes of rows of their own at a pairwise site, with one copy of the value.
  private static Tensor rowByRow(
      List<Intervention> changes, int[] owners, Tensor value, Layout rows) {
    var parts = new ArrayList<Tensor>();
    for (int s = 0; s < owners.length; s++) {
      Tensor part = value.narrow(0, s, 1);
      if (owners[s] >= 0) {
        Intervention own = changes.get(owners[s]);
        Layout alone = new Layout(rows.segments().subList(s, s + 1));
        part = onPart(own.slice(), part, alone, change(own));
      }
      parts.add(part);
    }
    return Tensor.cat(parts, 0);
  }

  private static UnaryOperator<Tensor> change(Intervention intervention) {
    return switch (intervention) {
      case Intervention.Replace(Slice slice, Tensor by) -> part -> broadcast(slice, by, part);
      case Intervention.Zero _ -> part -> Tensor.zeros(part.dtype(), part.shape());
      case Intervention.Scale(Slice _, double factor) -> part -> part.mul(factor);
      case Intervention.Add(Slice slice, Tensor vector, double factor) ->
          part -> part.add(broadcast(slice, vector, part).mul(factor));
      case Intervention.Change(Slice slice, UnaryOperator<Tensor> by) ->
          part ->
              by.apply(part)
                  .to(part.dtype())
                  .requireShape("the changed value of " + slice, part.shape());
    };
  }

  /// `value` with the slice's part of it replaced by a function of that part.
  private static Tensor onPart(
      Slice slice, Tensor value, Layout rows, UnaryOperator<Tensor> change) {
    requireUnits(slice, value);
    if (slice.site().kind().pairwise()) {
      return onQueries(slice, value, rows, change);
    }
    return onTokens(value, slice.tokens(rows), 0, picked -> onUnits(slice, picked, change));
  }

  private static Tensor onQueries(
      Slice slice, Tensor value, Layout rows, UnaryOperator<Tensor> change) {
    List<Segment> segments = rows.segments(); // all of one start and length
    long[] covered = new long[segments.size()];
    int n = 0;
    for (int s = 0; s < segments.size(); s++) {
      if (slice.covers(segments.get(s).row())) {
        covered[n++] = s;
      }
    }
    if (n == 0) {
      return value;
    }
    Slice.Tokens in = slice.in(segments.get((int) covered[0]));
    long[] queries = new long[in.count()];
    Arrays.setAll(queries, i -> (long) in.from() + i);
    return onTokens(
        value,
        Arrays.copyOf(covered, n),
        0,
        picked -> onTokens(picked, queries, 2, narrowed -> onUnits(slice, narrowed, change)));
  }

  private static Tensor onTokens(
      Tensor value, long[] places, int axis, UnaryOperator<Tensor> change) {
    if (places.length == value.size(axis)) {
      return change.apply(value);
    }
    Tensor index = Tensor.of(places, places.length);
    return value.indexCopy(axis, index, change.apply(value.indexSelect(axis, index)));
  }

  private static Tensor onUnits(Slice slice, Tensor value, UnaryOperator<Tensor> change) {
    return slice.units().isEmpty()
        ? change.apply(value)
        : onTokens(value, slice.unitIndex(), 1, change);
  }

  static void requireUnits(Slice slice, Tensor value) {
    if (!slice.units().isEmpty() && slice.units().getLast() >= value.size(1)) {
      throw new IllegalArgumentException(
          "%s: it has %s 0 to %d"
              .formatted(
                  slice, slice.site().kind().perHead() ? "heads" : "neurons", value.size(1) - 1));
    }
  }

  /// `by` in the shape and type of `part`.
  private static Tensor broadcast(Slice slice, Tensor by, Tensor part) {
    long[] to = part.shape();
    long[] from = by.shape();
    boolean fits = from.length <= to.length;
    for (int i = 1; fits && i <= from.length; i++) {
      fits = from[from.length - i] == 1 || from[from.length - i] == to[to.length - i];
    }
    if (!fits) {
      throw new IllegalArgumentException(
          "%s has shape %s there, to which a value of shape %s cannot be broadcast"
              .formatted(slice, Arrays.toString(to), Arrays.toString(from)));
    }
    DType dtype = part.dtype();
    return (by.dtype() == dtype ? by : by.to(dtype)).expand(to);
  }
}
