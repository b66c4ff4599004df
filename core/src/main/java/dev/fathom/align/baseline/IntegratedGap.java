package dev.fathom.align.baseline;

import dev.fathom.explain.Runs;
import dev.fathom.model.Kind;
import dev.fathom.model.KvStore;
import dev.fathom.model.Layout;
import dev.fathom.model.Linear;
import dev.fathom.model.Linears;
import dev.fathom.model.Pass;
import dev.fathom.model.Segment;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.train.Tape;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// How much does each neuron contribute to a model's preferring one next token to another?
/// Integrated gradients of the gap of two probabilities over the neurons of one block at a time
/// (Liu et al. 2024, IG²):
///
///     IG_j = m_j · (1/M) Σ_i ∂(P(d1) − P(d2)) / ∂m_j   at coefficients s_i · m
///
/// where all coefficients m of the block at the last position are scaled together, by s_i = i / M (a
/// left sum, as in the original) or (i + ½) / M. Over a block they add up to about the gap with the
/// block's neurons less that without them.
///
/// Only the last position changes, so every scaled run is one token that goes on from its block,
/// with keys and values of earlier positions from the plain run; the runs of many blocks go up
/// together. On the way back the graph is cut between blocks and at every map, whose prepared copies
/// are then used both ways ([Tape]).
final class IntegratedGap {
  /// Runs that go up together: their activations are kept for the way back.
  private static final int MOST_RUNS = 320;

  /// Logits held at a time, with their softmax and gradient.
  private static final long CHUNK_ELEMENTS = 2 << 20;

  private final Transformer model;
  private final int points;
  private final boolean midpoint;

  /// @param points M
  /// @param midpoint whether points are taken in the middle of their intervals, which is more exact
  IntegratedGap(Transformer model, int points, boolean midpoint) {
    this.model = model;
    this.points = points;
    this.midpoint = midpoint;
  }

  /// The contributions of all neurons after a prompt, those of block 0 first.
  ///
  /// @param prompt at least one token
  /// @param first d1
  /// @param second d2
  float[] of(int[] prompt, int first, int second) {
    try (var scope = Scope.withoutGradients()) {
      Runs run = Runs.of(model, prompt, Kind.MLP_ACT);
      var parts = new ArrayList<float[]>();
      int each = Math.max(1, MOST_RUNS / points);
      for (int from = 0; from < model.layers(); from += each) {
        int to = Math.min(model.layers(), from + each);
        try (var inner = Scope.withGradients();
            var tape = new Tape()) {
          parts.addAll(new Climb(run, from, to, tape).contributions(first, second));
        }
      }
      int neurons = parts.stream().mapToInt(part -> part.length).sum();
      float[] all = new float[neurons];
      int at = 0;
      for (float[] part : parts) {
        System.arraycopy(part, 0, all, at, part.length);
        at += part.length;
      }
      return all;
    }
  }

  /// How many neurons the blocks below one have.
  static int before(Transformer model, int layer) {
    return model.blocks().subList(0, layer).stream()
        .mapToInt(block -> Math.toIntExact(block.mlp().out().in()))
        .sum();
  }

  private double scale(int point) {
    return (point + (midpoint ? 0.5 : 0)) / points;
  }

  /// A block on the way up.
  ///
  /// @param entering what enters it, a leaf `[runs, dModel]`
  /// @param leaving what leaves it, with its graph
  /// @param mark where it begins on the tape
  private record Step(Tensor entering, Tensor leaving, int mark) {}

  /// The scaled runs of some blocks on their way up, and down again.
  private final class Climb {
    private final Runs run;
    private final int position;
    private final int from;
    private final int to;
    private final Tape tape;
    private final Transformer taped;
    private final Map<Integer, Tensor> leaves = new HashMap<>(); // [points, neurons]

    Climb(Runs run, int from, int to, Tape tape) {
      this.run = run;
      this.position = run.length() - 1;
      this.from = from;
      this.to = to;
      this.tape = tape;
      this.taped =
          Linears.replaced(model, model.card(), linear -> linear.with(this::recorded), () -> {});
    }

    /// A map that is cut out of the graph.
    private Tensor recorded(Linear linear, Tensor x) {
      if (!tape.isRecording()) {
        return linear.plain(x);
      }
      try (var scope = Scope.withoutGradients()) {
        Tensor y = linear.plain(x.detach());
        return scope.escape(
            tape.cut(x, y, (gradient, wanted) -> wanted ? linear.weight().back(gradient) : null));
      }
    }

    /// Those of each block's neurons.
    List<float[]> contributions(int first, int second) {
      var steps = new ArrayList<Step>();
      for (int layer = from; layer < model.layers(); layer++) {
        steps.add(step(layer, steps.isEmpty() ? null : steps.getLast().leaving.detach()));
      }
      Tensor gradient = gradient(steps.getLast().leaving.detach(), first, second);
      for (Step step : steps.reversed()) {
        Tensor own = gradient.narrow(0, 0, step.leaving.size(0)); // without those that begin later
        step.leaving.backwardKeeping(own);
        tape.unwind(step.mark);
        gradient = Objects.requireNonNull(step.entering.gradient());
      }
      var found = new ArrayList<float[]>();
      for (int layer = from; layer < to; layer++) {
        Tensor leaf = Objects.requireNonNull(leaves.get(layer));
        Tensor slope = Objects.requireNonNull(leaf.gradient()).wide().mean(0, false);
        found.add(coefficients(layer).wide().squeeze(0).mul(slope).toFloats());
      }
      return found;
    }

    /// @param below what left the block before, cut off; null at the first
    private Step step(int layer, @Nullable Tensor below) {
      Tensor x = below;
      if (layer < to) {
        Tensor own = run.stream(layer).narrow(0, position, 1).expand(points, model.dModel());
        x = x == null ? own.contiguous() : Tensor.cat(List.of(x, own), 0);
        leaves.put(layer, leaf(layer));
      }
      Tensor entering = Objects.requireNonNull(x).detach().requireGradient();
      int mark = tape.mark();
      tape.record(true);
      try {
        Tensor leaving = taped.block(layer, entering, pass(layer, (int) entering.size(0)));
        return new Step(entering, leaving, mark);
      } finally {
        tape.record(false);
      }
    }

    /// `[1, neurons]`.
    private Tensor coefficients(int layer) {
      return run.at(Kind.MLP_ACT, layer, 0, position);
    }

    /// The scaled coefficients, asked for their gradient.
    private Tensor leaf(int layer) {
      Tensor m = coefficients(layer);
      float[] scales = new float[points];
      for (int i = 0; i < points; i++) {
        scales[i] = (float) scale(i);
      }
      Tensor by = Tensor.of(scales, points, 1).to(m.dtype());
      return m.mul(by).detach().requireGradient();
    }

    private Pass pass(int layer, int rows) {
      var segments = new ArrayList<Segment>();
      for (int row = 0; row < rows; row++) {
        segments.add(new Segment(row, position, 1));
      }
      KvStore store =
          (at, group, k, v) -> {
            KvStore.Keys own = run.keys(at);
            return new KvStore.Keys(joined(own.k(), k), joined(own.v(), v));
          };
      return Pass.over(new Layout(segments)).with(store).with(scaling(layer));
    }

    /// Keys or values before the position, then those of the runs themselves.
    private Tensor joined(Tensor own, Tensor fresh) {
      Tensor before =
          own.narrow(2, 0, position).expand(fresh.size(0), own.size(1), position, own.size(3));
      return Tensor.cat(List.of(before, fresh), 2);
    }

    /// Puts the scaled coefficients into the runs that begin here, the last ones.
    private Tap scaling(int layer) {
      Tensor leaf = leaves.get(layer);
      if (leaf == null) {
        return Tap.NONE;
      }
      return new Tap() {
        @Override
        public Set<Site> sites() {
          return Set.of(Site.of(Kind.MLP_ACT, layer));
        }

        @Override
        public Tensor at(Site site, Tensor value, Layout rows) {
          long others = value.size(0) - points;
          return others == 0
              ? leaf.add(0)
              : Tensor.cat(List.of(value.narrow(0, 0, others), leaf), 0);
        }
      };
    }

    /// That of the sum of all runs' gaps by their streams `[runs, dModel]`.
    private Tensor gradient(Tensor x, int first, int second) {
      long rows = x.size(0);
      long chunk = Math.max(1, CHUNK_ELEMENTS / model.outputs());
      var parts = new ArrayList<Tensor>();
      for (long at = 0; at < rows; at += chunk) {
        try (var scope = Scope.withGradients()) {
          Tensor read = x.narrow(0, at, Math.min(chunk, rows - at)).detach().requireGradient();
          int mark = tape.mark();
          tape.record(true);
          Tensor p = taped.head().of(read).wide().softmax(-1);
          tape.record(false);
          p.select(1, first).sub(p.select(1, second)).sum().backward();
          tape.unwind(mark);
          parts.add(scope.escape(Objects.requireNonNull(read.gradient())));
        }
      }
      return Tensor.cat(parts, 0);
    }
  }
}
