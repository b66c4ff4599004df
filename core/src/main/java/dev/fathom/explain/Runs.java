package dev.fathom.explain;

import dev.fathom.model.Kind;
import dev.fathom.model.KvStore;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;

/// Whole runs of a model over rows of one length, kept layer by layer: what sweeps start from and
/// take values from. Lives in the scope it is made in.
public final class Runs {
  private final int rows;
  private final int length;
  private final List<Tensor> streams = new ArrayList<>(); // N + 1 of [rows · length, dModel]
  private final List<KvStore.Keys> keys = new ArrayList<>();
  private final Map<Site, Tensor> kept = new HashMap<>();

  private Runs(int rows, int length) {
    this.rows = rows;
    this.length = length;
  }

  /// One unchanged run.
  public static Runs of(Transformer model, int[] ids, Kind... keep) {
    return of(model, List.of(ids), Tap.NONE, keep);
  }

  /// Runs over several rows.
  ///
  /// @param rows ids, all of one length
  /// @param tap what changes the runs; its rows are numbered as `rows`
  /// @param keep sites of every layer whose values are kept, as they are after the tap
  public static Runs of(Transformer model, List<int[]> rows, Tap tap, Kind... keep) {
    int length = rows.getFirst().length;
    for (int[] row : rows) {
      if (row.length != length) {
        throw new IllegalArgumentException(
            "rows of %d and of %d tokens cannot be compared position by position"
                .formatted(length, row.length));
      }
    }
    var runs = new Runs(rows.size(), length);
    Scope home = Scope.current();
    Tap watched = tap.then(runs.capture(model, Set.of(keep), home));
    int[] lengths = new int[rows.size()];
    Arrays.fill(lengths, length);
    try (var scope = Scope.withoutGradients()) {
      KvStore recording =
          (_, _, k, v) -> {
            runs.keys.add(new KvStore.Keys(home.keep(k), home.keep(v)));
            return new KvStore.Keys(k, v);
          };
      Pass pass = Pass.over(Layout.rows(lengths)).with(recording).with(watched);
      int[] ids = rows.stream().flatMapToInt(Arrays::stream).toArray();
      model.stream(Tensor.of(ids, ids.length), pass, (_, x) -> runs.streams.add(home.keep(x)));
    }
    return runs;
  }

  private Tap capture(Transformer model, Set<Kind> kinds, Scope home) {
    var sites = new TreeSet<Site>();
    for (Kind kind : kinds) {
      for (int layer = 0; layer < model.layers(); layer++) {
        Site site = Site.of(kind, layer);
        if (model.refusal(site).isEmpty()) {
          sites.add(site);
        }
      }
    }
    return sites.isEmpty()
        ? Tap.NONE
        : Taps.capture(sites, (site, value, _) -> kept.put(site, home.keep(value)));
  }

  /// How many runs.
  public int rows() {
    return rows;
  }

  /// Tokens of each.
  public int length() {
    return length;
  }

  /// The stream that enters a block, or at `layers` leaves the last, `[rows · length, dModel]`.
  public Tensor stream(int layer) {
    return streams.get(layer);
  }

  /// The last block's stream of one run at a position, `[1, dModel]`.
  public Tensor last(int row, int position) {
    return streams.getLast().narrow(0, (long) row * length + position, 1);
  }

  /// Keys and values of a layer, `[rows, kvHeads, length, width]`.
  public KvStore.Keys keys(int layer) {
    return keys.get(layer);
  }

  /// A kept value of one run, `[length, …]`; of one pairwise site `[heads, queries, keys]`.
  public Tensor at(Kind kind, int layer, int row) {
    Site site = Site.of(kind, layer);
    Tensor value =
        Objects.requireNonNull(kept.get(site), () -> site + " was not kept or does not exist");
    return kind.pairwise() ? value.select(0, row) : value.narrow(0, (long) row * length, length);
  }

  /// A kept value of one run at one position, `[1, …]`.
  public Tensor at(Kind kind, int layer, int row, int position) {
    return at(kind, layer, row).narrow(0, position, 1);
  }
}
