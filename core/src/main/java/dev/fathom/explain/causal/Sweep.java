package dev.fathom.explain.causal;

import dev.fathom.explain.Runs;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.KvStore;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.PositionSpan;
import dev.fathom.model.Segment;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.LongConsumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Many changed runs of a model at once. A change at layer l and position p leaves everything
/// before l and before p as it was, so each changed run is computed only from there: it enters the
/// packed batch at its layer, carries its positions from p on, and takes keys and values before p
/// from the run it departs from. Every layer's weights are read once for all of them.
///
/// Cost of a map over all N layers and T positions: about `N² T² / 4` block-tokens instead of the
/// `N² T²` of a run a cell, in large products. Memory is bounded by a budget that splits the rows;
/// neither the split nor the number of threads changes a number beyond rounding.
///
/// An encoder reads both ways: its rows start at their layer, but at position 0.
final class Sweep {
  /// Memory that activations may take, in bytes.
  static final long BUDGET = 384L << 20;

  private final Transformer model;
  private final Runs runs;
  private final int position;
  private final long budget;
  private final LongConsumer progress;

  /// @param runs what the rows depart from
  /// @param position where the result is read; of a causal model the runs' last
  Sweep(Transformer model, Runs runs, int position) {
    this(model, runs, position, BUDGET, _ -> {});
  }

  private Sweep(Transformer model, Runs runs, int position, long budget, LongConsumer progress) {
    this.model = model;
    this.runs = runs;
    this.position = position;
    this.budget = budget;
    this.progress = progress;
    if (model.card().causal() && position != runs.length() - 1) {
      throw new IllegalArgumentException(
          "runs of %d tokens are read at the last one, not at %d"
              .formatted(runs.length(), position));
    }
  }

  /// The same with other memory, in bytes.
  ///
  /// @throws IllegalArgumentException if not even one row fits
  Sweep within(long bytes) {
    return new Sweep(model, runs, position, bytes, progress);
  }

  /// The same, told how many rows are done after each batch.
  Sweep telling(LongConsumer progress) {
    return new Sweep(model, runs, position, budget, progress);
  }

  /// A changed run.
  ///
  /// @param run the run it departs from
  /// @param layer the first block in which it differs
  /// @param position the first position at which it differs
  /// @param changes what is changed, at `layer` or later, at `position` or later; their slices name
  ///   no rows
  record Row(int run, int layer, int position, List<Intervention> changes) {
    Row {
      changes = List.copyOf(changes);
      for (Intervention change : changes) {
        if (change.slice().site().layer() < layer) {
          throw new IllegalArgumentException(
              "a row that starts at layer %d cannot change %s".formatted(layer, change.slice()));
        }
      }
    }

    /// One change at one position.
    static Row of(int run, int position, Intervention change) {
      return new Row(run, change.slice().site().layer(), position, List.of(change));
    }

    /// Whether in its first block only its first position differs: what is changed there is read by
    /// no other position of that block.
    private boolean startsLocally() {
      PositionSpan here = PositionSpan.at(position);
      return changes.stream()
          .map(Intervention::slice)
          .filter(slice -> slice.site().layer() == layer)
          .allMatch(slice -> slice.positions().equals(here) && isLocal(slice.site().kind()));
    }

    private static boolean isLocal(Kind kind) {
      return switch (kind) {
        case Q, Q_ROT, Z, HEAD_OUT, ATTN_RAW, ATTN_OUT, RESID_MID -> true;
        case NORM_SCALE_MLP, MLP_IN, MLP_GATE, MLP_UP, MLP_ACT, MLP_RAW, MLP_OUT, RESID_POST ->
            true;
        default -> false;
      };
    }
  }

  /// The last block's stream of every row at the position in question, `[rows, dModel]`, in the
  /// order given.
  Tensor run(List<Row> rows) {
    List<Integer> order =
        IntStream.range(0, rows.size())
            .boxed()
            .sorted(
                Comparator.<Integer>comparingInt(i -> start(rows.get(i)))
                    .thenComparingInt(i -> rows.get(i).layer))
            .toList();
    try (var scope = Scope.withoutGradients()) {
      var parts = new ArrayList<Tensor>();
      int from = 0;
      while (from < order.size()) {
        int to = from;
        long bytes = 0;
        while (to < order.size() && bytes + bytes(rows.get(order.get(to))) <= budget) {
          bytes += bytes(rows.get(order.get(to++)));
        }
        if (to == from) {
          throw new IllegalArgumentException(
              "One changed run of %d tokens takes %d MB, more than the memory budget of %d MB: raise it or shorten the prompt."
                  .formatted(
                      runs.length(),
                      Math.ceilDiv(bytes(rows.get(order.get(from))), 1 << 20),
                      budget >> 20));
        }
        parts.add(batch(order.subList(from, to).stream().map(rows::get).toList()));
        progress.accept(to - from);
        from = to;
      }
      long[] back = new long[rows.size()];
      for (int i = 0; i < back.length; i++) {
        back[order.get(i)] = i;
      }
      return scope.escape(Tensor.cat(parts, 0).indexSelect(0, back));
    }
  }

  private int start(Row row) {
    return model.card().causal() ? row.position : 0;
  }

  /// What a row's activations take while a block is computed: everything that it makes on the way,
  /// as its temporaries are freed at its end. The factors are what was measured, kernels' own
  /// buffers included.
  private long bytes(Row row) {
    var block = model.blocks().getFirst();
    var attention = block.attention();
    long inner = block.mlp().out().in();
    long heads = (long) attention.heads() * attention.width();
    long shared = 2L * attention.kvHeads() * attention.width();
    long tokens = runs.length() - start(row);
    long each = 40L * model.dModel() + 16 * inner + 26 * heads + 12 * shared;
    return model.card().dtype().bytes() * (tokens * each + 6 * runs.length() * shared);
  }

  /// A row on its way down the layers.
  private static final class Active {
    final Row row;
    final int index;
    int from; // first packed token in the block before's output, or -1: still the run's own

    Active(Row row, int index) {
      this.row = row;
      this.index = index;
      this.from = -1;
    }
  }

  private Tensor batch(List<Row> rows) {
    boolean causal = model.card().causal();
    int layers = model.layers();
    var active = new ArrayList<Active>();
    Tensor out = null; // what the block before has computed, [tokens, dModel]
    try (var scope = Scope.open()) {
      var outside = new ArrayList<Active>(); // never computed: their stream is the run's own
      for (int layer = 0; layer < layers; layer++) {
        boolean last = layer == layers - 1;
        var starting = new ArrayList<Active>();
        for (int i = 0; i < rows.size(); i++) {
          if (rows.get(i).layer == layer) {
            starting.add(new Active(rows.get(i), i));
          }
        }
        if (last && causal) {
          starting.removeIf(a -> {
            boolean silent = a.row.startsLocally() && a.row.position != position;
            if (silent) {
              outside.add(a);
            }
            return silent;
          });
        }
        active.addAll(starting);
        if (active.isEmpty()) {
          continue;
        }
        var now = new Here(layer, active);
        Tensor x = now.gather(out);
        Tensor y = now.through(x);
        if (out != null) {
          scope.release(out);
        }
        out = y;
      }
      var result = new Tensor[rows.size()];
      Tensor streams = out == null ? null : atPosition(out, active);
      for (int i = 0; i < active.size(); i++) {
        result[active.get(i).index] = Objects.requireNonNull(streams).narrow(0, i, 1);
      }
      for (Active a : outside) {
        result[a.index] = runs.last(a.row.run, position);
      }
      return scope.escape(Tensor.cat(List.of(result), 0));
    }
  }

  private Tensor atPosition(Tensor out, List<Active> active) {
    long[] index = new long[active.size()];
    for (int i = 0; i < index.length; i++) {
      index[i] = active.get(i).from + (model.card().causal() ? 0 : position);
    }
    return out.indexSelect(0, index);
  }

  /// The rows that are under way in one block.
  private final class Here {
    private final int layer;
    private final List<Active> active;
    private final List<Segment> segments = new ArrayList<>();

    Here(int layer, List<Active> active) {
      this.layer = layer;
      this.active = active;
      active.sort(
          Comparator.<Active>comparingInt(a -> start(a.row))
              .thenComparingInt(a -> length(a))
              .thenComparingInt(a -> a.index));
      for (Active a : active) {
        segments.add(new Segment(a.index, start(a.row), length(a)));
      }
    }

    private boolean starts(Active a) {
      return a.row.layer == layer;
    }

    private int length(Active a) {
      return starts(a) && model.card().causal() && a.row.startsLocally()
          ? 1
          : runs.length() - start(a.row);
    }

    /// The tokens that enter the block: what each row has computed so far, the run's own where it
    /// has not.
    Tensor gather(@Nullable Tensor out) {
      Tensor own = runs.stream(layer);
      long computed = out == null ? 0 : out.size(0);
      int tokens = segments.stream().mapToInt(Segment::length).sum();
      long[] index = new long[tokens];
      int n = 0;
      for (int s = 0; s < active.size(); s++) {
        Active a = active.get(s);
        int begin = start(a.row);
        // a row that started locally in the block before has one token there
        int known = a.from < 0 ? 0 : knownOf(a);
        for (int i = 0; i < segments.get(s).length(); i++) {
          index[n++] =
              i < known ? a.from + i : computed + (long) a.row.run * runs.length() + begin + i;
        }
      }
      try (var scope = Scope.open()) {
        Tensor pool = out == null ? own : Tensor.cat(List.of(out, own), 0);
        return scope.escape(pool.indexSelect(0, index));
      }
    }

    private int knownOf(Active a) {
      boolean justOne = a.row.layer == layer - 1 && model.card().causal() && a.row.startsLocally();
      return justOne ? 1 : runs.length() - start(a.row);
    }

    /// Runs the block and notes where each row's tokens stand in its output.
    Tensor through(Tensor x) {
      boolean lastOnly = layer == model.layers() - 1 && model.card().causal();
      Pass pass =
          Pass.over(new Layout(segments))
              .with(this::extend)
              .with(changes())
              .with(lastOnly ? Wanted.LAST : Wanted.ALL);
      Tensor y = model.block(layer, x, pass);
      int at = 0;
      for (int s = 0; s < active.size(); s++) {
        active.get(s).from = at;
        at += lastOnly ? 1 : segments.get(s).length();
      }
      return y;
    }

    /// A row's change as this block can make it: of the last one only the query that is read is
    /// computed. Null where nothing is left of it.
    private @Nullable Intervention computed(Intervention change) {
      Slice slice = change.slice();
      Kind kind = slice.site().kind();
      boolean lastOnly = layer == model.layers() - 1 && model.card().causal();
      if (!lastOnly || !(Row.isLocal(kind) || kind.pairwise())) {
        return change;
      }
      PositionSpan span = slice.positions();
      if (span.equals(PositionSpan.ALL)) {
        return change instanceof Intervention.Replace(_, Tensor value)
                && !kind.pairwise()
                && value.size(0) == runs.length()
            ? new Intervention.Replace(slice, value.narrow(0, position, 1))
            : change;
      }
      return span.equals(PositionSpan.LAST) || span.last() == position ? change : null;
    }

    private Tap changes() {
      var changes = new ArrayList<Intervention>();
      for (Active a : active) {
        for (Intervention change : a.row.changes) {
          Intervention here = change.slice().site().layer() == layer ? computed(change) : null;
          if (here != null) {
            changes.add(onRow(here, a.index));
          }
        }
      }
      return changes.isEmpty() ? Tap.NONE : Taps.of(changes);
    }

    /// Keys and values before a row's first position are those of the run it departs from.
    private KvStore.Keys extend(int layer, List<Segment> group, Tensor k, Tensor v) {
      int start = group.getFirst().start();
      if (start == 0) {
        return new KvStore.Keys(k, v);
      }
      KvStore.Keys own = runs.keys(layer);
      return new KvStore.Keys(joined(own.k(), group, start, k), joined(own.v(), group, start, v));
    }

    private Tensor joined(Tensor own, List<Segment> group, int start, Tensor fresh) {
      Tensor prefix = own.narrow(2, 0, start);
      if (runs.rows() == 1) {
        prefix = prefix.expand(group.size(), prefix.size(1), start, prefix.size(3));
      } else {
        prefix = prefix.indexSelect(0, group.stream().mapToLong(g -> runOf(g.row())).toArray());
      }
      return Tensor.cat(List.of(prefix, fresh), 2);
    }

    private final Map<Integer, Integer> runOfRow = new HashMap<>();

    private long runOf(int row) {
      if (runOfRow.isEmpty()) {
        active.forEach(a -> runOfRow.put(a.index, a.row.run));
      }
      return Optional.ofNullable(runOfRow.get(row)).orElseThrow();
    }
  }

  private static Intervention onRow(Intervention change, int row) {
    return switch (change) {
      case Intervention.Replace(Slice slice, Tensor value) ->
          new Intervention.Replace(slice.onRows(row), value);
      case Intervention.Zero(Slice slice) -> new Intervention.Zero(slice.onRows(row));
      case Intervention.Scale(Slice slice, double factor) ->
          new Intervention.Scale(slice.onRows(row), factor);
      case Intervention.Add(Slice slice, Tensor vector, double factor) ->
          new Intervention.Add(slice.onRows(row), vector, factor);
      case Intervention.Change(Slice slice, var by) ->
          new Intervention.Change(slice.onRows(row), by);
    };
  }
}
