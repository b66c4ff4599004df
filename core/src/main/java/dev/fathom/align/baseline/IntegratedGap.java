package dev.fathom.align.baseline;

import dev.fathom.explain.Runs;
import dev.fathom.model.Kind;
import dev.fathom.model.KvStore;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Segment;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

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
/// together.
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
        try (var inner = Scope.withGradients()) {
          parts.addAll(new Climb(run, from, to).contributions(first, second));
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

  /// The scaled runs of some blocks on their way up.
  private final class Climb {
    private final Runs run;
    private final int position;
    private final int from;
    private final int to;
    private final Map<Integer, Tensor> leaves = new HashMap<>(); // [points, neurons]

    Climb(Runs run, int from, int to) {
      this.run = run;
      this.position = run.length() - 1;
      this.from = from;
      this.to = to;
    }

    /// Those of each block's neurons.
    List<float[]> contributions(int first, int second) {
      Tensor x = null;
      for (int layer = from; layer < model.layers(); layer++) {
        if (layer < to) {
          Tensor own = run.stream(layer).narrow(0, position, 1).expand(points, model.dModel());
          x = x == null ? own : Tensor.cat(List.of(x, own), 0);
          leaves.put(layer, leaf(layer));
        }
        x = model.block(layer, Objects.requireNonNull(x), pass(layer, (int) x.size(0)));
      }
      Objects.requireNonNull(x).backward(gradient(x, first, second));
      var found = new ArrayList<float[]>();
      for (int layer = from; layer < to; layer++) {
        Tensor leaf = Objects.requireNonNull(leaves.get(layer));
        Tensor slope = Objects.requireNonNull(leaf.gradient()).wide().mean(0, false);
        found.add(coefficients(layer).wide().squeeze(0).mul(slope).toFloats());
      }
      return found;
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
          Tensor p = model.head().of(read).wide().softmax(-1);
          p.select(1, first).sub(p.select(1, second)).sum().backward();
          parts.add(scope.escape(Objects.requireNonNull(read.gradient())));
        }
      }
      return Tensor.cat(parts, 0);
    }
  }
}
