package dev.fathom.explain.attention;

import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;

/// One unchanged run, looked at block by block: what attention patterns of all layers together
/// would take is never held.
final class Walk {
  private final Transformer model;
  private final List<int[]> rows;
  private final Set<Kind> kinds;

  /// @param rows ids, all of one length
  /// @param kinds sites to see in every block
  Walk(Transformer model, List<int[]> rows, Set<Kind> kinds) {
    this.model = model;
    this.rows = rows;
    this.kinds = kinds;
  }

  /// What is seen of a block; gone with it.
  record Seen(Tensor stream, Map<Kind, Tensor> values) {
    /// The value of a site: `[tokens, …]`, of a pairwise one `[rows, heads, queries, keys]`; in F32
    /// or wider.
    Tensor at(Kind kind) {
      return Objects.requireNonNull(values.get(kind), () -> kind.text() + " was not seen").wide();
    }
  }

  interface Visitor {
    /// @param layer from 0, in order
    void block(int layer, Seen seen);
  }

  /// Runs the blocks one after another.
  void each(Visitor visitor) {
    try (var scope = Scope.withoutGradients()) {
      var values = new EnumMap<Kind, Tensor>(Kind.class);
      var scopes = new Scope[1];
      Tap tap =
          Taps.capture(sites(), (site, value, _) -> values.put(site.kind(), scopes[0].keep(value)));
      int[] lengths = rows.stream().mapToInt(row -> row.length).toArray();
      Pass pass = Pass.over(Layout.rows(lengths)).with(tap);
      int[] ids = rows.stream().flatMapToInt(Arrays::stream).toArray();
      Tensor x = model.embed(Tensor.of(ids, ids.length), pass);
      for (int layer = 0; layer < model.layers(); layer++) {
        try (var inner = Scope.open()) {
          scopes[0] = inner;
          Tensor next = model.block(layer, x, pass);
          visitor.block(layer, new Seen(x.wide(), values));
          values.clear();
          x = inner.escape(next);
        }
      }
    }
  }

  private Set<Site> sites() {
    var sites = new TreeSet<Site>();
    for (int layer = 0; layer < model.layers(); layer++) {
      for (Kind kind : kinds) {
        sites.add(Site.of(kind, layer));
      }
    }
    return sites;
  }
}
