package dev.fathom.train;

import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A pass up the blocks of a model that can be walked down again with gradients: of the stream at
/// any rows, not only the last. The graph is cut between blocks, so what a block keeps is freed as
/// soon as the way down has left it, or need not be kept at all and is computed again (gradient
/// checkpointing: Chen et al. 2016, section 3).
///
/// Row r is the stream after r blocks: row 0 is the embedding, the last row what the head reads.
///
/// ```java
/// var ascent = Ascent.of(model, ids, () -> Pass.over(layout), route, null);
/// Tensor loss = … ascent.row(model.layers()) …
/// ascent.descend(Map.of(model.layers(), gradient));
/// ```
///
/// Belongs to the scope it is made in, which records gradients.
public final class Ascent {
  private final Transformer model;
  private final Supplier<Pass> passes;
  private final Route route;
  private final @Nullable Tape tape;
  private final Tensor embedded;
  private final List<Tensor> rows = new ArrayList<>(); // cut off; those in the graph are leaves
  private final List<Tensor> outs = new ArrayList<>(); // with the graph of their block
  private final List<Integer> marks = new ArrayList<>(); // where each block begins on the tape

  /// Which part of a model is climbed, and how.
  ///
  /// @param graphFrom the lowest block that learns something: those below are only computed
  /// @param top the last row
  /// @param keepFrom the lowest row that will be asked for
  /// @param recompute whether blocks are computed again on the way down instead of being kept
  public record Route(int graphFrom, int top, int keepFrom, boolean recompute) {
    public Route {
      if (graphFrom < 0 || top < 0 || keepFrom < 0 || keepFrom > top) {
        throw new IllegalArgumentException(
            "rows are asked for from %d to %d, learnt from block %d: all from 0, in order"
                .formatted(keepFrom, top, graphFrom));
      }
    }
  }

  private Ascent(
      Transformer model, Supplier<Pass> passes, Route route, @Nullable Tape tape, Tensor embedded) {
    this.model = model;
    this.passes = passes;
    this.route = route;
    this.tape = tape;
    this.embedded = embedded;
  }

  /// Climbs.
  ///
  /// @param ids I64 `[tokens]`
  /// @param passes makes a pass over them that wants all queries; asked once, and again for each
  ///   block that is computed again
  /// @param tape on which the model's maps record themselves; null where they do not
  public static Ascent of(
      Transformer model, Tensor ids, Supplier<Pass> passes, Route route, @Nullable Tape tape) {
    Pass pass = passes.get();
    Tensor embedded = model.embed(ids, pass);
    var ascent = new Ascent(model, passes, route, tape, embedded);
    ascent.climb(pass);
    return ascent;
  }

  private void climb(Pass pass) {
    Tensor x = cut(0, embedded);
    rows.add(x);
    outs.add(embedded);
    for (int layer = 0; layer < route.top; layer++) {
      marks.add(tape == null ? 0 : tape.mark());
      boolean kept = learns(layer) && !route.recompute;
      Tensor out = kept ? block(layer, x, pass) : seen(layer, x, pass);
      Tensor next = cut(layer + 1, out);
      if (!kept) {
        Scope.current().release(out); // next holds the same numbers
      }
      if (layer < route.keepFrom && !learns(layer)) {
        Scope.current().release(x);
      }
      rows.add(next);
      outs.add(kept ? out : next);
      x = next;
    }
  }

  private boolean learns(int layer) {
    return layer >= route.graphFrom;
  }

  /// A block whose graph is kept.
  private Tensor block(int layer, Tensor x, Pass pass) {
    if (tape == null) {
      return model.block(layer, x, pass);
    }
    tape.record(true);
    try {
      return model.block(layer, x, pass);
    } finally {
      tape.record(false);
    }
  }

  private Tensor seen(int layer, Tensor x, Pass pass) {
    try (var scope = Scope.withoutGradients()) {
      return scope.escape(model.block(layer, x, pass));
    }
  }

  /// The stream as the next block reads it: a leaf of its graph where something below it learns.
  private Tensor cut(int row, Tensor stream) {
    boolean below = row > route.graphFrom || (row == 0 && stream.requiresGradient());
    Tensor leaf = stream.detach();
    return below ? leaf.requireGradient() : leaf;
  }

  /// The stream at a row, `[tokens, dModel]`, cut off from the graph.
  public Tensor row(int row) {
    if (row < route.keepFrom || row > route.top) {
      throw new IllegalArgumentException(
          "row %d was not kept: rows %d to %d were".formatted(row, route.keepFrom, route.top));
    }
    return rows.get(row).detach();
  }

  /// Adds to the gradients of all leaves what follows from those of the stream. Once.
  ///
  /// @param gradients by row, each `[tokens, dModel]`
  public void descend(Map<Integer, Tensor> gradients) {
    Tensor gradient = null;
    for (int row = route.top; row > route.graphFrom; row--) {
      gradient = sum(gradient, gradients.get(row));
      if (gradient == null) {
        continue;
      }
      try (var scope = Scope.withGradients()) {
        Tensor x = rows.get(row - 1);
        Tensor out = route.recompute ? block(row - 1, x, passes.get()) : outs.get(row);
        if (out.requiresGradient()) {
          back(out, gradient, marks.get(row - 1));
        }
        gradient = x.requiresGradient() ? escaped(scope, x) : null;
      }
      if (!route.recompute) {
        Scope.current().release(outs.get(row));
      }
    }
    if (route.graphFrom == 0 && embedded.requiresGradient()) {
      Tensor last = sum(gradient, gradients.get(0));
      if (last != null) {
        embedded.backward(last);
      }
    }
  }

  private void back(Tensor out, Tensor gradient, int mark) {
    if (tape == null) {
      out.backward(gradient);
    } else {
      out.backwardKeeping(gradient); // the tape goes through parts of it again
      tape.unwind(mark);
    }
  }

  private static @Nullable Tensor escaped(Scope scope, Tensor leaf) {
    Tensor gradient = leaf.gradient();
    leaf.dropGradient();
    return gradient == null ? null : scope.escape(gradient);
  }

  private static @Nullable Tensor sum(@Nullable Tensor a, @Nullable Tensor b) {
    return a == null ? b : b == null ? a : a.add(b);
  }
}
