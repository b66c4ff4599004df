package dev.fathom.explain.attribute;

import dev.fathom.model.Kind;
import dev.fathom.model.KvStore;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Segment;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Many rows of tokens through a model at once, each common beginning computed once: the rows are
/// merged into a tree whose nodes are runs of tokens, and each node attends to the keys and values
/// of those above it. All layers' weights are read once for a batch of rows.
///
/// Of the `2ⁿ` subsets of n tokens that is about `2ⁿ⁺¹` tokens instead of `n 2ⁿ`. An encoder reads
/// both ways and shares nothing but equal rows.
final class PrefixTree {
  /// Memory that activations may take, in bytes.
  private static final long BUDGET = 256L << 20;

  /// In a row: no token, but the filler's vector.
  static final int FILLED = -1;

  private final Transformer model;
  private final @Nullable Tensor filler;
  private final long budget;

  /// @param filler what stands where a row says [#FILLED], `[dModel]`; null if none does
  PrefixTree(Transformer model, @Nullable Tensor filler) {
    this(model, filler, BUDGET);
  }

  private PrefixTree(Transformer model, @Nullable Tensor filler, long budget) {
    this.model = model;
    this.filler = filler;
    this.budget = budget;
  }

  /// The same with other memory for activations, in bytes.
  PrefixTree within(long bytes) {
    return new PrefixTree(model, filler, bytes);
  }

  /// One row: token ids or [#FILLED], and where it is read; of a causal model at its last token.
  record Row(int[] cells, int position) {}

  /// The last block's stream of each row where it is read, `[rows, dModel]`, in the order given.
  Tensor streams(List<Row> rows) {
    List<Integer> order =
        IntStream.range(0, rows.size())
            .boxed()
            .sorted(
                Comparator.<Integer, int[]>comparing(i -> rows.get(i).cells, Arrays::compare)
                    .thenComparingInt(i -> i))
            .toList();
    try (var scope = Scope.withoutGradients()) {
      var parts = new ArrayList<Tensor>();
      long most = Math.max(1, budget / bytesEach());
      int from = 0;
      while (from < order.size()) {
        int to = from;
        long tokens = 0;
        while (to < order.size()) {
          int[] cells = rows.get(order.get(to)).cells;
          int shared = to == from ? 0 : shared(rows.get(order.get(to - 1)).cells, cells);
          if (to > from && tokens + cells.length - shared > most) {
            break;
          }
          tokens += cells.length - shared;
          to++;
        }
        parts.add(batch(order.subList(from, to).stream().map(rows::get).toList()));
        from = to;
      }
      long[] back = new long[rows.size()];
      for (int i = 0; i < back.length; i++) {
        back[order.get(i)] = i;
      }
      return scope.escape(Tensor.cat(parts, 0).indexSelect(0, back));
    }
  }

  /// How many cells two rows begin with alike; an encoder's rows share all or nothing.
  private int shared(int[] a, int[] b) {
    int first = Arrays.mismatch(a, b);
    int same = first < 0 ? a.length : first;
    return model.card().causal() || first < 0 ? same : 0;
  }

  /// About what one token's activations take while a block is computed.
  private long bytesEach() {
    var block = model.blocks().getFirst();
    var attention = block.attention();
    long each =
        6L * model.dModel()
            + 3 * block.mlp().out().in()
            + 4L * attention.heads() * attention.width()
            + 6L * attention.kvHeads() * attention.width();
    return model.card().dtype().bytes() * each;
  }

  /// Tokens `start` to `end` of all rows that begin alike up to there.
  private static final class Node {
    final @Nullable Node parent;
    final int start;
    final int[] cells; // of one such row
    final int end;
    boolean inner; // whether others continue it
    int kept; // among the nodes that end here and are continued
    int last; // index of its last packed token among the queries of the last block
    int first; // index of its first packed token

    Node(@Nullable Node parent, int start, int[] cells, int end) {
      this.parent = parent;
      this.start = start;
      this.cells = cells;
      this.end = end;
    }
  }

  private Tensor batch(List<Row> rows) {
    boolean causal = model.card().causal();
    var nodes = new ArrayList<Node>();
    var nodeOf = new Node[rows.size()];
    grow(rows, 0, rows.size(), 0, null, nodes, nodeOf);
    nodes.sort(
        Comparator.<Node>comparingInt(node -> node.start).thenComparingInt(node -> node.end));
    var segments = new ArrayList<Segment>();
    int tokens = 0;
    for (int n = 0; n < nodes.size(); n++) {
      Node node = nodes.get(n);
      segments.add(new Segment(n, node.start, node.end - node.start));
      node.last = n;
      node.first = tokens;
      tokens += node.end - node.start;
    }
    int[] cells = new int[tokens];
    for (Node node : nodes) {
      System.arraycopy(node.cells, node.start, cells, node.first, node.end - node.start);
    }
    try (var scope = Scope.open()) {
      Pass pass =
          Pass.over(new Layout(segments))
              .with(filling(cells))
              .with(causal ? Wanted.LAST : Wanted.ALL);
      if (causal) {
        pass = pass.with(new Keys(nodes));
      }
      int[] ids = Arrays.stream(cells).map(cell -> Math.max(cell, 0)).toArray();
      Tensor x = model.stream(Tensor.of(ids, ids.length), pass);
      long[] read = new long[rows.size()];
      for (int r = 0; r < read.length; r++) {
        read[r] = causal ? nodeOf[r].last : nodeOf[r].first + rows.get(r).position;
      }
      return scope.escape(x.indexSelect(0, read));
    }
  }

  /// Makes the nodes of rows `from` to `to`, which are sorted and alike before `depth`.
  private void grow(
      List<Row> rows,
      int from,
      int to,
      int depth,
      @Nullable Node parent,
      List<Node> nodes,
      Node[] nodeOf) {
    int at = from;
    while (at < to) {
      int[] cells = rows.get(at).cells;
      int next = at + 1;
      int end = cells.length;
      while (next < to) {
        int same = shared(cells, rows.get(next).cells);
        if (same <= depth) {
          break;
        }
        end = Math.min(end, same);
        next++;
      }
      var node = new Node(parent, depth, cells, end);
      nodes.add(node);
      if (parent != null) {
        parent.inner = true;
      }
      int done = at;
      while (done < next && rows.get(done).cells.length == end) {
        nodeOf[done++] = node;
      }
      if (done < next) {
        grow(rows, done, next, end, node, nodes, nodeOf);
      }
      at = next;
    }
  }

  /// Puts the filler's vector where there is no token.
  private Tap filling(int[] cells) {
    long[] filled =
        IntStream.range(0, cells.length).filter(i -> cells[i] < 0).asLongStream().toArray();
    if (filled.length == 0) {
      return Tap.NONE;
    }
    Tensor vector = Objects.requireNonNull(filler, "rows with gaps need a filler").unsqueeze(0);
    Site embed = Site.of(Kind.EMBED);
    return new Tap() {
      @Override
      public Set<Site> sites() {
        return Set.of(embed);
      }

      @Override
      public List<Slice> writes() {
        return List.of(Slice.of(embed));
      }

      @Override
      public Tensor at(Site site, Tensor value, Layout rows) {
        return value.indexCopy(
            0,
            Tensor.of(filled, filled.length),
            vector.expand(filled.length, vector.size(1)).contiguous());
      }
    };
  }

  /// Keys and values of the nodes above a node, joined to its own. Groups of nodes come sorted by
  /// start, so that all that end where a node starts have come before it.
  private static final class Keys implements KvStore {
    private final List<Node> nodes;
    private final Map<Integer, List<KvStore.Keys>> ending = new HashMap<>();
    private final Map<Integer, Integer> count = new HashMap<>();
    private int layer = -1;

    Keys(List<Node> nodes) {
      this.nodes = nodes;
    }

    @Override
    public KvStore.Keys extend(int layer, List<Segment> segments, Tensor k, Tensor v) {
      if (this.layer != layer) {
        this.layer = layer;
        ending.clear();
        count.clear();
      }
      int start = segments.getFirst().start();
      var own = new KvStore.Keys(k, v);
      KvStore.Keys all = start == 0 ? own : joined(prefixes(start), parents(segments), own);
      keep(segments, all);
      return all;
    }

    private long[] parents(List<Segment> segments) {
      return segments.stream()
          .mapToLong(s -> Objects.requireNonNull(nodes.get(s.row()).parent).kept)
          .toArray();
    }

    private KvStore.Keys prefixes(int end) {
      List<KvStore.Keys> parts = Objects.requireNonNull(ending.get(end));
      if (parts.size() > 1) {
        var joined =
            new KvStore.Keys(
                Tensor.cat(parts.stream().map(KvStore.Keys::k).toList(), 0),
                Tensor.cat(parts.stream().map(KvStore.Keys::v).toList(), 0));
        parts.clear();
        parts.add(joined);
      }
      return parts.getFirst();
    }

    private static KvStore.Keys joined(KvStore.Keys before, long[] parents, KvStore.Keys own) {
      return new KvStore.Keys(
          Tensor.cat(List.of(before.k().indexSelect(0, parents), own.k()), 2),
          Tensor.cat(List.of(before.v().indexSelect(0, parents), own.v()), 2));
    }

    private void keep(List<Segment> segments, KvStore.Keys all) {
      int end = segments.getFirst().end();
      long[] inner =
          IntStream.range(0, segments.size())
              .filter(i -> nodes.get(segments.get(i).row()).inner)
              .asLongStream()
              .toArray();
      if (inner.length == 0) {
        return;
      }
      int before = count.getOrDefault(end, 0);
      for (int i = 0; i < inner.length; i++) {
        nodes.get(segments.get((int) inner[i]).row()).kept = before + i;
      }
      count.put(end, before + inner.length);
      ending
          .computeIfAbsent(end, _ -> new ArrayList<>())
          .add(
              inner.length == segments.size()
                  ? all
                  : new KvStore.Keys(all.k().indexSelect(0, inner), all.v().indexSelect(0, inner)));
    }
  }
}
