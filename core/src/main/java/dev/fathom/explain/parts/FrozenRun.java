package dev.fathom.explain.parts;

import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;

/// One unchanged run, a block at a time, each handed out as a [FrozenBlock]: what of it is not
/// linear is held as it was. Holds the values of one block only, unless the caller keeps more.
///
/// Lives in the scope it is made in; a block lives in the scope in which [#next] is called. Numbers
/// are F32, or F64 where the model is.
final class FrozenRun {
  /// What the steps between the sublayers depend on.
  private static final Set<Kind> PATH =
      EnumSet.of(Kind.ATTN_RAW, Kind.ATTN_OUT, Kind.RESID_MID, Kind.MLP_RAW, Kind.MLP_OUT);

  /// What the sublayers themselves depend on.
  private static final Set<Kind> SUBLAYERS = EnumSet.of(Kind.PATTERN, Kind.MLP_GATE, Kind.MLP_UP);

  private static final List<Kind> EMBEDDED =
      List.of(Kind.EMBED, Kind.POS_EMBED, Kind.TOKEN_TYPE_EMBED);

  private final Transformer model;
  private final Pass pass;
  private final Scope home = Scope.current();
  private final Map<Kind, Tensor> seen = new EnumMap<>(Kind.class);
  private Scope here = home; // where the values of the current block are kept
  private final Map<Kind, Tensor> embedded;
  private Tensor stream;
  private int layer = 0;

  private FrozenRun(Transformer model, int[] ids, Set<Kind> kinds) {
    this.model = model;
    var sites = new TreeSet<Site>();
    for (Kind kind : kinds) {
      for (int l = 0; l < (kind.layered() ? model.layers() : 1); l++) {
        Site site = Site.of(kind, l);
        if (model.refusal(site).isEmpty()) {
          sites.add(site);
        }
      }
    }
    pass =
        Pass.over(Layout.single(ids.length))
            .with(
                Taps.capture(
                    sites, (site, value, _) -> seen.put(site.kind(), here.keep(value.wide()))));
    stream = home.keep(model.embed(Tensor.of(ids, ids.length), pass));
    embedded = new EnumMap<>(seen);
  }

  /// A run whose blocks can take vectors through their sublayers.
  static FrozenRun whole(Transformer model, int[] ids) {
    var kinds = EnumSet.copyOf(EMBEDDED);
    kinds.addAll(PATH);
    kinds.addAll(SUBLAYERS);
    return new FrozenRun(model, ids, kinds);
  }

  /// A run whose blocks only know the steps between their sublayers.
  ///
  /// @param keep values of each block that are kept as well
  static FrozenRun path(Transformer model, int[] ids, Kind... keep) {
    var kinds = EnumSet.copyOf(PATH);
    kinds.addAll(List.of(keep));
    return new FrozenRun(model, ids, kinds);
  }

  /// The terms of the embedding sum that the model has, each `[tokens, dModel]`.
  Map<Kind, Tensor> embedded() {
    return embedded;
  }

  /// The stream after the blocks so far, `[tokens, dModel]`.
  Tensor stream() {
    return stream.wide();
  }

  /// Runs one block.
  FrozenBlock next() {
    here = Scope.current();
    seen.clear();
    Tensor before = here.keep(stream);
    Tensor after;
    try (var scope = Scope.withoutGradients()) {
      after = home.keep(model.block(layer, stream, pass));
    }
    home.release(stream);
    stream = after;
    return new FrozenBlock(model.blocks().get(layer++), before.wide(), new EnumMap<>(seen));
  }

  /// A value of a run that was kept.
  static Tensor required(Map<Kind, Tensor> values, Kind kind) {
    return Objects.requireNonNull(values.get(kind), () -> kind.text() + " was not kept");
  }
}
