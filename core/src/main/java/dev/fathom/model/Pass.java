package dev.fathom.model;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// One run over a packed batch: which tokens, what they attend to, who watches, what will be read.
/// It also keeps what all layers share (position tables, masks), in the scope it was made in, and
/// is used once.
public final class Pass {
  private final Layout layout;
  private final Layout queries;
  private final KvStore kv;
  private final Tap tap;
  private final Wanted wanted;
  private final Scope home;
  private final Set<Site> sites;
  private final EnumMap<Kind, Boolean> kinds = new EnumMap<>(Kind.class);
  private final Set<Site> fired = new HashSet<>();
  private final Map<Object, Object> shared = new HashMap<>();
  private final IdentityHashMap<Rotary, Rotary.Table> rotaries = new IdentityHashMap<>();
  private @Nullable Tensor positions;
  private boolean lastBlock;

  private Pass(Layout layout, KvStore kv, Tap tap, Wanted wanted) {
    this.layout = layout;
    this.kv = kv;
    this.tap = tap;
    this.wanted = wanted;
    this.home = Scope.current();
    this.queries = wanted.lastOnly() ? layout.last() : layout;
    this.sites = tap.sites();
    sites.forEach(site -> kinds.put(site.kind(), true));
  }

  /// A pass that attends only to its own tokens, unwatched, with all logits.
  public static Pass over(Layout layout) {
    return new Pass(layout, KvStore.NONE, Tap.NONE, Wanted.ALL);
  }

  public Pass with(Tap tap) {
    return new Pass(layout, kv, tap, wanted);
  }

  public Pass with(KvStore kv) {
    return new Pass(layout, kv, tap, wanted);
  }

  public Pass with(Wanted wanted) {
    return new Pass(layout, kv, tap, wanted);
  }

  /// All tokens of the pass.
  public Layout layout() {
    return layout;
  }

  public KvStore kv() {
    return kv;
  }

  public Tap tap() {
    return tap;
  }

  public Wanted wanted() {
    return wanted;
  }

  /// The tokens whose queries the last block and the head compute: all, or those that are wanted.
  public Layout queries() {
    return queries;
  }

  /// Called on entering a block: only the last one may leave tokens out.
  void enter(boolean lastBlock) {
    this.lastBlock = lastBlock;
  }

  /// In the last block drops the tokens whose queries nobody wants; elsewhere all are needed.
  Tensor narrow(Tensor x) {
    if (!lastBlock || queries.equals(layout) || x.size(0) == queries.tokens()) {
      return x;
    }
    return x.indexSelect(0, lastTokens());
  }

  /// The tokens that the queries of the current block belong to.
  Layout queriesHere() {
    return lastBlock ? queries : layout;
  }

  Tensor lastTokens() {
    return share("last tokens", () -> Tensor.of(layout.lastTokens(), queries.tokens()));
  }

  /// Whether anybody looks at this site.
  public boolean wants(Kind kind, int layer) {
    return kinds.containsKey(kind) && sites.contains(Site.of(kind, layer));
  }

  /// Shows a value to the tap and returns the value to go on with.
  public Tensor at(Kind kind, int layer, Tensor value) {
    return at(kind, layer, value, value.size(0) == layout.tokens() ? layout : queries);
  }

  Tensor at(Kind kind, int layer, Tensor value, Layout rows) {
    if (!wants(kind, layer)) {
      return value;
    }
    Site site = Site.of(kind, layer);
    fired.add(site);
    Tensor changed = tap.at(site, value, rows);
    if (changed == value) {
      return value;
    }
    changed.requireShape("the value a tap returns at " + site, value.shape());
    if (changed.dtype() != value.dtype()) {
      throw new IllegalArgumentException(
          "the value a tap returns at %s should be %s, found %s"
              .formatted(site, value.dtype(), changed.dtype()));
    }
    return Scope.current().keep(changed); // it may be the tap's own, which no block may free
  }

  /// Sites of the tap that have not fired.
  Set<Site> silent() {
    var silent = new TreeSet<>(sites);
    silent.removeAll(fired);
    return silent;
  }

  /// The position of each packed token, I64 `[tokens]`.
  Tensor positions() {
    Tensor known = positions;
    if (known == null) {
      known = home.keep(Tensor.of(layout.positions(), layout.tokens()));
      positions = known;
    }
    return known;
  }

  /// Cosines and sines of all tokens, made once for all layers that share a [Rotary].
  Rotary.Table rotary(Rotary rotary, DType dtype) {
    return rotaries.computeIfAbsent(
        rotary,
        r -> {
          try (var scope = Scope.open()) {
            var table = r.table(positions(), layout, dtype);
            return new Rotary.Table(home.keep(table.cos()), home.keep(table.sin()));
          }
        });
  }

  /// The rows of a table that belong to the wanted queries.
  Rotary.Table queriesOf(Rotary.Table table) {
    return new Rotary.Table(
        table.cos().indexSelect(0, lastTokens()), table.sin().indexSelect(0, lastTokens()));
  }

  /// A tensor that several layers need, made once.
  Tensor share(Object key, Supplier<Tensor> make) {
    Object known = shared.get(key);
    if (known == null) {
      try (var scope = Scope.open()) {
        known = home.keep(make.get());
      }
      shared.put(key, known);
    }
    return (Tensor) known;
  }
}
