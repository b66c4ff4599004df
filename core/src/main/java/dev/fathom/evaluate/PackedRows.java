package dev.fathom.evaluate;

import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Segment;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Rows that go through a model in one pass, packed without padding, what several of them begin
/// with read once.
///
/// ```java
/// for (PackedRows packed : PackedRows.of(rows, 2048, model.card().causal())) {
///   try (var scope = Scope.withoutGradients()) {
///     Tensor x = model.stream(packed.ids(), packed.pass()); // [tokens, dModel]
///     for (int number : packed.rows()) {
///       long last = packed.place(number, rows.get(number).length - 1);
///     }
///   }
/// }
/// ```
public final class PackedRows {
  private final List<Integer> rows;
  private final Map<Integer, Integer> places; // of their numbers
  private final int[] ids;
  private final Layout layout;
  private final Map<Integer, Integer> parents;
  private final int[] shared; // tokens that each row shares
  private final int[] sharedAt; // where they are
  private final int[] ownAt; // where its other tokens are

  private PackedRows(List<Bundle> some) {
    this.rows = some.stream().flatMap(each -> each.rows.stream()).map(Row::number).toList();
    this.shared = new int[rows.size()];
    this.sharedAt = new int[rows.size()];
    this.ownAt = new int[rows.size()];
    this.parents = new HashMap<>();
    List<Stretch> stretches = stretches(some);
    var segments = new ArrayList<Segment>();
    var beginnings = new IdentityHashMap<Bundle, Integer>();
    var offsets = new IdentityHashMap<Bundle, Integer>();
    this.places = new HashMap<>();
    for (int r = 0; r < rows.size(); r++) {
      places.put(rows.get(r), r);
    }
    int at = 0;
    for (int s = 0; s < stretches.size(); s++) {
      Stretch stretch = stretches.get(s);
      segments.add(new Segment(s, stretch.start, stretch.length));
      if (stretch.row == null) {
        beginnings.put(stretch.of, s);
        offsets.put(stretch.of, at);
      } else {
        int place = Objects.requireNonNull(places.get(stretch.row.number));
        ownAt[place] = at;
        if (stretch.start > 0) {
          parents.put(s, Objects.requireNonNull(beginnings.get(stretch.of)));
          shared[place] = stretch.start;
          sharedAt[place] = Objects.requireNonNull(offsets.get(stretch.of));
        }
      }
      at += stretch.length;
    }
    this.ids = stretches.stream().flatMapToInt(stretch -> Arrays.stream(stretch.ids())).toArray();
    this.layout = new Layout(segments);
  }

  /// Packs rows, the longest first.
  ///
  /// @param rows tokens to read, at least one each
  /// @param tokensAtOnce tokens of a pass; a longer row goes alone
  /// @param causal whether later tokens change nothing before them, so that beginnings can be
  ///   shared
  public static List<PackedRows> of(List<int[]> rows, int tokensAtOnce, boolean causal) {
    var packs = new ArrayList<PackedRows>();
    var some = new ArrayList<Bundle>();
    int tokens = 0;
    for (Bundle each : bundles(rows, tokensAtOnce, causal)) {
      if (!some.isEmpty() && tokens + each.tokens() > tokensAtOnce) {
        packs.add(new PackedRows(some));
        some.clear();
        tokens = 0;
      }
      some.add(each);
      tokens += each.tokens();
    }
    if (!some.isEmpty()) {
      packs.add(new PackedRows(some));
    }
    return packs;
  }

  /// All rows in one pass.
  ///
  /// @param rows tokens to read, at least one row and at least one token each
  /// @param causal as for [#of]
  public static PackedRows inOne(List<int[]> rows, boolean causal) {
    return of(rows, Integer.MAX_VALUE, causal).getFirst();
  }

  /// The numbers of the rows that are in it.
  public List<Integer> rows() {
    return rows;
  }

  /// All tokens, I64 `[tokens]`.
  public Tensor ids() {
    return Tensor.of(ids, ids.length);
  }

  /// A pass over them, in the current scope.
  public Pass pass() {
    Pass pass = Pass.over(layout);
    return parents.isEmpty() ? pass : pass.with(new SharedPrefixes(parents));
  }

  /// Where the token of a row is among all tokens. Tokens that rows share have one place.
  ///
  /// @param number of the row, one of [#rows()]
  /// @throws IllegalArgumentException if the row is in another pack
  public int place(int number, int token) {
    Integer row = places.get(number);
    if (row == null) {
      throw new IllegalArgumentException("row %d is in another pack".formatted(number));
    }
    return token < shared[row] ? sharedAt[row] + token : ownAt[row] + token - shared[row];
  }

  /// @param number its place among the caller's rows
  private record Row(int number, int[] ids) {}

  /// Rows that begin alike.
  ///
  /// @param shared tokens that are read once for all of them; 0 for a row by itself
  private record Bundle(int shared, List<Row> rows) {
    int tokens() {
      return shared + rows.stream().mapToInt(row -> row.ids.length - shared).sum();
    }

    int longest() {
      return rows.stream().mapToInt(row -> row.ids.length).max().orElseThrow();
    }
  }

  /// Longest first; rows that do not fit one pass together go alone.
  private static List<Bundle> bundles(List<int[]> ids, int most, boolean causal) {
    List<Row> rows = IntStream.range(0, ids.size()).mapToObj(r -> new Row(r, ids.get(r))).toList();
    Stream<Bundle> all =
        causal
            ? SharedPrefixes.of(ids).stream()
                .map(cluster ->
                    new Bundle(cluster.shared(), cluster.rows().stream().map(rows::get).toList()))
            : rows.stream().map(row -> new Bundle(0, List.of(row)));
    return all.flatMap(some ->
            some.tokens() <= most
                ? Stream.of(some)
                : some.rows.stream().map(row -> new Bundle(0, List.of(row))))
        .sorted(Comparator.comparingInt(Bundle::longest).reversed())
        .toList();
  }

  /// A stretch of tokens in a pass.
  ///
  /// @param row it belongs to; null for what all rows share
  private record Stretch(Bundle of, @Nullable Row row, int start, int length) {
    int[] ids() {
      int[] all = (row == null ? of.rows.getFirst() : row).ids;
      return Arrays.copyOfRange(all, start, start + length);
    }
  }

  /// Stretches from position 0 first, and like ones side by side.
  private static List<Stretch> stretches(List<Bundle> batch) {
    var stretches = new ArrayList<Stretch>();
    for (Bundle some : batch) {
      if (some.shared > 0) {
        stretches.add(new Stretch(some, null, 0, some.shared));
      }
      for (Row row : some.rows) {
        stretches.add(new Stretch(some, row, some.shared, row.ids.length - some.shared));
      }
    }
    stretches.sort(
        Comparator.comparingInt(Stretch::start)
            .thenComparing(Comparator.comparingInt(Stretch::length).reversed()));
    return stretches;
  }
}
