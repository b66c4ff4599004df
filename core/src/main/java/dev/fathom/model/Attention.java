package dev.fathom.model;

import static dev.fathom.model.Kind.ATTN_RAW;
import static dev.fathom.model.Kind.HEAD_OUT;
import static dev.fathom.model.Kind.K;
import static dev.fathom.model.Kind.K_ROT;
import static dev.fathom.model.Kind.PATTERN;
import static dev.fathom.model.Kind.Q;
import static dev.fathom.model.Kind.Q_ROT;
import static dev.fathom.model.Kind.SCORES;
import static dev.fathom.model.Kind.V;
import static dev.fathom.model.Kind.Z;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// Multi-head attention (Vaswani et al. 2017, section 3.2) with everything families vary in value:
/// grouped key/value heads, rotary positions or ALiBi, query and key norms, a window, a soft-cap.
///
/// @param heads query heads; head h reads key/value head `h / (heads / kvHeads)`
/// @param width channels of one head, its own number: not always dModel / heads
/// @param projections where q, k and v come from
/// @param norms query and key norm, where there are some
/// @param rotary rotary positions, null without
/// @param alibi slope of each head's linear position bias (Press et al. 2021), null without
/// @param window keys further than this behind the query are masked; 0 for none
/// @param softCap scores become `cap · tanh(scores / cap)`; 0 for none
/// @param scale factor on the scores, usually 1/√width
/// @param causal whether keys after the query are masked
public record Attention(
    int heads,
    int kvHeads,
    int width,
    Projections projections,
    @Nullable QkNorm norms,
    @Nullable Rotary rotary,
    float @Nullable [] alibi,
    int window,
    double softCap,
    double scale,
    boolean causal,
    Linear out) {

  /// Where queries, keys and values come from.
  public sealed interface Projections {
    /// Three maps.
    record Separate(Linear q, Linear k, Linear v) implements Projections {}

    /// One map whose output is, for each of `groups` groups, its query, key and value heads in turn
    /// (GPT-NeoX, BLOOM: a group a head; Falcon: a group a key/value head).
    record Fused(Linear qkv, int groups) implements Projections {}
  }

  /// Norms of queries and keys before the rotation: over each head's width (Qwen 3, Gemma 3) or
  /// over all heads together (OLMo 2).
  public record QkNorm(Norm q, Norm k, boolean perHead) {}

  /// Queries `[tokens, heads, width]`, keys and values `[tokens, kvHeads, width]`.
  public record Qkv(Tensor q, Tensor k, Tensor v) {}

  /// The linear maps of the heads, biases left out: `q` and `out` `[heads, width, dModel]`, `k` and
  /// `v` `[kvHeads, width, dModel]`. Head h reads `x vᵀ` and writes that times `out`.
  public record Maps(Tensor q, Tensor k, Tensor v, Tensor out) {}

  /// `x [tokens, dModel] -> [queries, dModel]`: all tokens become keys and values, the wanted ones
  /// queries.
  Tensor forward(int layer, Tensor x, Pass pass) {
    Qkv qkv = project(x, pass::narrow);
    Tensor q = pass.at(Q, layer, qkv.q); // [queries, heads, width]
    Tensor k = pass.at(K, layer, qkv.k); // [tokens, kvHeads, width]
    Tensor v = pass.at(V, layer, qkv.v);
    if (norms != null) {
      q = normed(norms.q, q, norms.perHead);
      k = normed(norms.k, k, norms.perHead);
    }
    boolean turnedAtUse = rotary != null && pass.kv().turnedAtUse();
    if (rotary != null) {
      Rotary.Table table = pass.rotary(rotary, k.dtype());
      k = turnedAtUse ? k : rotary.turn(k, table);
      q = rotary.turn(q, q.size(0) == pass.layout().tokens() ? table : pass.queriesOf(table));
    }
    q = pass.at(Q_ROT, layer, q);
    k = turnedAtUse ? k : pass.at(K_ROT, layer, k);
    Tensor z = pass.at(Z, layer, mix(layer, q, k, v, pass)); // [queries, heads, width]
    return pass.at(ATTN_RAW, layer, output(layer, z, pass)); // [queries, dModel]
  }

  /// Keys and values alone, `x [tokens, dModel]`, for the store of the pass.
  void remember(int layer, Tensor x, Pass pass) {
    Qkv qkv = keysAndValues(x);
    Tensor k = norms == null ? qkv.k : normed(norms.k, qkv.k, norms.perHead);
    if (rotary != null && !pass.kv().turnedAtUse()) {
      k = rotary.turn(k, pass.rotary(rotary, k.dtype()));
    }
    Layout layout = pass.layout();
    int[] at = layout.offsets();
    for (List<Integer> group : Layout.alike(layout, layout)) {
      List<Segment> segments = group.stream().map(layout.segments()::get).toList();
      int length = segments.getFirst().length();
      pass.kv()
          .extend(
              layer,
              segments,
              rows(k, group, at).view(group.size(), length, kvHeads, width).transpose(1, 2),
              rows(qkv.v, group, at).view(group.size(), length, kvHeads, width).transpose(1, 2));
    }
  }

  /// Where queries have a map of their own, it is left out, and keys stand in their place.
  private Qkv keysAndValues(Tensor x) {
    if (!(projections instanceof Projections.Separate(Linear _, Linear keys, Linear values))) {
      return project(x, vectors -> vectors);
    }
    Tensor k = keys.of(x).view(x.size(0), kvHeads, width);
    return new Qkv(k, k, values.of(x).view(x.size(0), kvHeads, width));
  }

  /// What vectors of the kind that attention reads (`attn_in`, `[tokens, dModel]`) ask for, offer
  /// and hold: with query and key norms, and where `turned`, rotated as one row from position 0.
  public Qkv read(Tensor x, boolean turned) {
    Qkv qkv = project(x, vectors -> vectors);
    Tensor q = norms == null ? qkv.q : normed(norms.q, qkv.q, norms.perHead);
    Tensor k = norms == null ? qkv.k : normed(norms.k, qkv.k, norms.perHead);
    if (rotary == null || !turned) {
      return new Qkv(q, k, qkv.v);
    }
    Rotary.Table table = rowFromZero(rotary, (int) x.size(0), k.dtype());
    return new Qkv(rotary.turn(q, table), rotary.turn(k, table), qkv.v);
  }

  /// The heads' weights.
  public Maps maps() {
    long dModel = out.out();
    Tensor written = out.weight().values().view(dModel, heads, width).permute(1, 2, 0);
    return switch (projections) {
      case Projections.Separate(Linear q, Linear k, Linear v) ->
          new Maps(
              q.weight().values().reshape(heads, width, q.in()),
              k.weight().values().reshape(kvHeads, width, k.in()),
              v.weight().values().reshape(kvHeads, width, v.in()),
              written);
      case Projections.Fused(Linear qkv, int groups) -> {
        int qs = heads / groups;
        int ks = kvHeads / groups;
        Tensor all = qkv.weight().values().reshape(groups, qs + 2 * ks, width, qkv.in());
        yield new Maps(
            all.narrow(1, 0, qs).reshape(heads, width, qkv.in()),
            all.narrow(1, qs, ks).reshape(kvHeads, width, qkv.in()),
            all.narrow(1, qs + ks, ks).reshape(kvHeads, width, qkv.in()),
            written);
      }
    };
  }

  private Qkv project(Tensor x, UnaryOperator<Tensor> queries) {
    long tokens = x.size(0);
    return switch (projections) {
      case Projections.Separate(Linear q, Linear k, Linear v) -> {
        Tensor asking = queries.apply(x);
        yield new Qkv(
            q.of(asking).view(asking.size(0), heads, width),
            k.of(x).view(tokens, kvHeads, width),
            v.of(x).view(tokens, kvHeads, width));
      }
      case Projections.Fused(Linear qkv, int groups) -> {
        int qs = heads / groups;
        int ks = kvHeads / groups;
        Tensor all = qkv.of(x).view(tokens, groups, qs + 2 * ks, width);
        yield new Qkv(
            queries.apply(all.narrow(2, 0, qs).reshape(tokens, heads, width)),
            all.narrow(2, qs, ks).reshape(tokens, kvHeads, width),
            all.narrow(2, qs + ks, ks).reshape(tokens, kvHeads, width));
      }
    };
  }

  private static Tensor normed(Norm norm, Tensor x, boolean perHead) {
    return perHead ? norm.of(x) : norm.of(x.flatten(1, 2)).view(x.shape());
  }

  /// Attention of every row to its own keys: rows of like length and start go together.
  private Tensor mix(int layer, Tensor q, Tensor k, Tensor v, Pass pass) {
    Layout queries = pass.queriesHere();
    Layout keys = pass.layout();
    List<List<Integer>> groups = Layout.alike(queries, keys);
    if (groups.size() == 1) {
      return mixAlike(layer, q, k, v, groups.getFirst(), queries, keys, pass);
    }
    Tensor next = mixNext(layer, q, k, v, keys, pass);
    if (next != null) {
      return next;
    }
    if (neighbours(groups)) {
      return mixNeighbours(layer, q, k, v, groups, queries, keys, pass);
    }
    int[] qAt = queries.offsets();
    int[] kAt = keys.offsets();
    Tensor[] parts = new Tensor[queries.segments().size()];
    for (List<Integer> group : groups) {
      Tensor z =
          mixAlike(
              layer,
              rows(q, group, qAt),
              rows(k, group, kAt),
              rows(v, group, kAt),
              group,
              queries,
              keys,
              pass);
      int length = queries.segments().get(group.getFirst()).length();
      for (int i = 0; i < group.size(); i++) {
        parts[group.get(i)] = z.narrow(0, (long) i * length, length);
      }
    }
    return Tensor.cat(List.of(parts), 0);
  }

  /// The next token of each row, at whatever positions, in one call: what lies behind a row's own
  /// token is masked. Null where that cannot be.
  private @Nullable Tensor mixNext(
      int layer, Tensor q, Tensor k, Tensor v, Layout rows, Pass pass) {
    boolean each =
        pass.queriesHere().equals(rows) && rows.segments().stream().allMatch(s -> s.length() == 1);
    if (!each || !causal || alibi != null || softCap > 0 || pass.kv().turnedAtUse()) {
      return null;
    }
    if (pass.wants(SCORES, layer) || pass.wants(PATTERN, layer)) {
      return null;
    }
    int n = rows.segments().size();
    Tensor at = pass.share("next positions", () -> Tensor.of(rows.positions(), n, 1, 1, 1));
    KvStore.Keys seen =
        pass.kv().extendEach(layer, rows.segments(), k.unsqueeze(2), v.unsqueeze(2), at);
    if (seen == null) {
      return null;
    }
    record Key(int window) {}
    Tensor mask = // [n, 1, 1, keys]
        pass.share(new Key(window), () -> nextMask(at, seen.k().size(2), q.dtype()));
    // the heads that share keys are that many queries of one head
    Tensor grouped = q.view(n, kvHeads, heads / kvHeads, width);
    return Tensor.attention(grouped, seen.k(), seen.v(), mask, false, scale)
        .reshape(n, heads, width);
  }

  private Tensor nextMask(Tensor at, long keys, DType dtype) {
    Tensor key = Tensor.range(0, (int) keys).view(1, 1, 1, keys);
    Tensor mask =
        Tensor.zeros(DType.F32, at.size(0), 1, 1, keys)
            .maskedFill(key.gt(at), Double.NEGATIVE_INFINITY);
    return (window > 0 ? mask.maskedFill(key.le(at.sub(window)), Double.NEGATIVE_INFINITY) : mask)
        .to(dtype);
  }

  /// Whether like rows stand side by side, as in batches sorted by length.
  private static boolean neighbours(List<List<Integer>> groups) {
    return groups.stream().allMatch(g -> g.getLast() - g.getFirst() == g.size() - 1);
  }

  /// The same over pieces of q, k and v instead of copies.
  private Tensor mixNeighbours(
      int layer,
      Tensor q,
      Tensor k,
      Tensor v,
      List<List<Integer>> groups,
      Layout queries,
      Layout keys,
      Pass pass) {
    List<Tensor> qs = q.split(0, tokens(groups, queries));
    List<Tensor> ks = k.split(0, tokens(groups, keys));
    List<Tensor> vs = v.split(0, tokens(groups, keys));
    var parts = new ArrayList<Tensor>();
    for (int g = 0; g < groups.size(); g++) {
      parts.add(
          mixAlike(layer, qs.get(g), ks.get(g), vs.get(g), groups.get(g), queries, keys, pass));
    }
    return Tensor.cat(parts, 0);
  }

  private static long[] tokens(List<List<Integer>> groups, Layout layout) {
    return groups.stream()
        .mapToLong(g -> (long) g.size() * layout.segments().get(g.getFirst()).length())
        .toArray();
  }

  private static Tensor rows(Tensor x, List<Integer> group, int[] at) {
    var parts = new ArrayList<Tensor>();
    for (int s : group) {
      parts.add(x.narrow(0, at[s], at[s + 1] - at[s]));
    }
    return Tensor.cat(parts, 0);
  }

  private Tensor mixAlike(
      int layer,
      Tensor q,
      Tensor k,
      Tensor v,
      List<Integer> group,
      Layout queries,
      Layout keys,
      Pass pass) {
    int n = group.size();
    Segment asking = queries.segments().get(group.getFirst());
    Segment own = keys.segments().get(group.getFirst());
    List<Segment> segments = group.stream().map(keys.segments()::get).toList();
    KvStore.Keys seen =
        pass.kv()
            .extend(
                layer,
                segments,
                k.view(n, own.length(), kvHeads, width).transpose(1, 2),
                v.view(n, own.length(), kvHeads, width).transpose(1, 2));
    if (rotary != null && pass.kv().turnedAtUse()) {
      seen = new KvStore.Keys(turned(rotary, seen.k()), seen.v());
    }
    Tensor rows = q.view(n, asking.length(), heads, width).transpose(1, 2); // [n, heads, q, width]
    boolean watched = softCap > 0 || pass.wants(SCORES, layer) || pass.wants(PATTERN, layer);
    Tensor z =
        watched
            ? explicit(layer, rows, seen, asking, group, queries, pass)
            : fused(rows, seen, asking, pass);
    return z.transpose(1, 2).reshape((long) n * asking.length(), heads, width);
  }

  /// Keys `[rows, kvHeads, keys, width]`, each turned for its place among them.
  private static Tensor turned(Rotary rotary, Tensor k) {
    long rows = k.size(0);
    long keys = k.size(2);
    Tensor flat = k.permute(2, 0, 1, 3).reshape(keys, rows * k.size(1), k.size(3));
    return rotary
        .turn(flat, rowFromZero(rotary, (int) keys, k.dtype()))
        .view(keys, rows, k.size(1), k.size(3))
        .permute(1, 2, 0, 3);
  }

  private static Rotary.Table rowFromZero(Rotary rotary, int length, DType dtype) {
    return rotary.table(Tensor.range(0, length), Layout.single(length), dtype);
  }

  /// The kernel that never builds the pattern.
  private Tensor fused(Tensor q, KvStore.Keys seen, Segment asking, Pass pass) {
    int keys = (int) seen.k().size(2);
    int length = asking.length();
    if (length == 1 && heads != kvHeads && !masked(asking, keys) && alibi == null) {
      // one query: the heads that share keys are that many queries of one head
      Tensor grouped = q.reshape(q.size(0), kvHeads, heads / kvHeads, width);
      return Tensor.attention(grouped, seen.k(), seen.v(), null, false, scale)
          .reshape(q.size(0), heads, 1, width);
    }
    boolean plainCausal =
        causal && length > 1 && length == keys && alibi == null && !beyondWindow(asking, keys);
    Tensor mask = plainCausal ? null : mask(asking, keys, q.dtype(), pass);
    return Tensor.attention(q, seen.k(), seen.v(), mask, plainCausal, scale);
  }

  /// The same with the pattern in the open.
  private Tensor explicit(
      int layer,
      Tensor q,
      KvStore.Keys seen,
      Segment asking,
      List<Integer> group,
      Layout queries,
      Pass pass) {
    long n = q.size(0);
    long length = asking.length();
    long keys = seen.k().size(2);
    long each = heads / kvHeads;
    Tensor grouped = q.reshape(n, kvHeads, each * length, width);
    Tensor scores =
        grouped.matmul(seen.k().transpose(2, 3)).mul(scale).view(n, heads, length, keys);
    if (softCap > 0) {
      scores = scores.div(softCap).tanh().mul(softCap);
    }
    Tensor mask = mask(asking, (int) keys, q.dtype(), pass);
    if (mask != null) {
      scores = scores.add(mask);
    }
    Layout rows = new Layout(group.stream().map(queries.segments()::get).toList());
    scores = pass.at(SCORES, layer, scores, rows);
    DType wide = q.dtype() == DType.F64 ? DType.F64 : DType.F32;
    Tensor pattern = pass.at(PATTERN, layer, scores.to(wide).softmax(-1).to(q.dtype()), rows);
    return pattern
        .reshape(n, kvHeads, each * length, keys)
        .matmul(seen.v())
        .view(n, heads, length, width);
  }

  private boolean masked(Segment asking, int keys) {
    return beyondWindow(asking, keys) || (causal && asking.end() < keys);
  }

  /// Whether the window hides any key of the last query.
  private boolean beyondWindow(Segment asking, int keys) {
    return window > 0 && Math.max(asking.end(), keys) > window;
  }

  /// What is added to the scores, `[queries, keys]` or with ALiBi `[heads, queries, keys]`; null
  /// when every query sees every key.
  private @Nullable Tensor mask(Segment asking, int keys, DType dtype, Pass pass) {
    boolean hides = (causal && asking.start() + 1 < keys) || beyondWindow(asking, keys);
    if (!hides && alibi == null) {
      return null;
    }
    record Key(int start, int length, int keys, int window, boolean causal, boolean alibi) {}
    var key = new Key(asking.start(), asking.length(), keys, window, causal, alibi != null);
    return pass.share(key, () -> buildMask(asking, keys, dtype));
  }

  private Tensor buildMask(Segment asking, int keys, DType dtype) {
    Tensor at = Tensor.range(0, keys).unsqueeze(0); // [1, keys]
    Tensor from = Tensor.range(asking.start(), asking.end()).unsqueeze(1); // [queries, 1]
    Tensor mask = Tensor.zeros(DType.F32, asking.length(), keys);
    if (causal) {
      mask = mask.maskedFill(at.gt(from), Double.NEGATIVE_INFINITY);
    }
    if (window > 0) {
      mask = mask.maskedFill(at.le(from.sub(window)), Double.NEGATIVE_INFINITY);
    }
    if (alibi != null) {
      Tensor slopes = Tensor.of(alibi, heads, 1, 1);
      mask = mask.unsqueeze(0).add(slopes.mul(at.to(DType.F32).unsqueeze(0)));
    }
    return mask.to(dtype);
  }

  private Tensor output(int layer, Tensor z, Pass pass) {
    if (!pass.wants(HEAD_OUT, layer)) {
      return out.of(z.flatten(1, 2));
    }
    Tensor perHead = pass.at(HEAD_OUT, layer, headOut(z)); // [queries, heads, dModel]
    Tensor sum = perHead.sum(1, false);
    return out.bias() == null ? sum : sum.add(out.bias());
  }

  /// Each head's own contribution to the stream, `z [tokens, heads, width] -> [tokens, heads,
  /// dModel]`, without the bias.
  public Tensor headOut(Tensor z) {
    Tensor blocks =
        out.weight().values().view(out.out(), heads, width).permute(1, 2, 0); // [heads, width, d]
    return z.transpose(0, 1).matmul(blocks).transpose(0, 1);
  }

  /// The map from what attention reads to the values of all key/value heads, `[kvHeads · width,
  /// dModel]`: a view, or a copy where q, k and v are one map.
  public Tensor valueWeight() {
    return switch (projections) {
      case Projections.Separate(Linear _, Linear _, Linear v) -> v.weight().values();
      case Projections.Fused(Linear qkv, int groups) ->
          valueRows(qkv.weight().values().contiguous(), groups)
              .reshape((long) kvHeads * width, qkv.in());
    };
  }

  /// What is added to the values, `[kvHeads · width]`; null where nothing is.
  public @Nullable Tensor valueBias() {
    Tensor bias =
        switch (projections) {
          case Projections.Separate(Linear _, Linear _, Linear v) -> v.bias();
          case Projections.Fused(Linear qkv, int _) -> qkv.bias();
        };
    return bias == null || !(projections instanceof Projections.Fused(Linear _, int groups))
        ? bias
        : valueRows(bias.unsqueeze(1), groups).reshape((long) kvHeads * width);
  }

  /// The rows of a fused map that make values.
  private Tensor valueRows(Tensor fused, int groups) {
    int qs = heads / groups;
    int ks = kvHeads / groups;
    return fused.view(groups, qs + 2 * ks, width, fused.size(1)).narrow(1, qs + ks, ks);
  }
}
