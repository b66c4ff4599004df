package dev.fathom.arch;

import dev.fathom.model.Activation;
import dev.fathom.model.Attention;
import dev.fathom.model.Attention.Projections;
import dev.fathom.model.Attention.QkNorm;
import dev.fathom.model.Linear;
import dev.fathom.model.Mlp;
import dev.fathom.model.Rotary;
import dev.fathom.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// Parts that several families name alike: LLaMA's names of projections and MLP weights.
final class Decoders {
  private Decoders() {}

  /// `q_proj`, `k_proj`, `v_proj` below `prefix`.
  static Projections separate(Weights weights, String prefix, Shapes s, boolean bias) {
    return new Projections.Separate(
        weights.linear(prefix + ".q_proj", (long) s.heads() * s.width(), s.dModel(), bias),
        weights.linear(prefix + ".k_proj", (long) s.kvHeads() * s.width(), s.dModel(), bias),
        weights.linear(prefix + ".v_proj", (long) s.kvHeads() * s.width(), s.dModel(), bias));
  }

  /// Causal attention with rotary positions and the usual scale.
  static Attention rotary(
      Shapes s,
      Projections projections,
      @Nullable QkNorm norms,
      Rotary rotary,
      int window,
      Linear out) {
    return new Attention(
        s.heads(),
        s.kvHeads(),
        s.width(),
        projections,
        norms,
        rotary,
        null,
        window,
        0,
        s.softmaxScale(),
        true,
        out);
  }

  /// Causal attention without rotary positions; as many key/value heads as heads.
  static Attention absolute(
      Shapes s,
      Projections projections,
      float @Nullable [] alibi,
      int window,
      double scale,
      Linear out) {
    return new Attention(
        s.heads(),
        s.kvHeads(),
        s.width(),
        projections,
        null,
        null,
        alibi,
        window,
        0,
        scale,
        true,
        out);
  }

  /// `o_proj` below `prefix`.
  static Linear out(Weights weights, String prefix, Shapes s, boolean bias) {
    return weights.linear(prefix + ".o_proj", s.dModel(), (long) s.heads() * s.width(), bias);
  }

  /// `gate_proj`, `up_proj`, `down_proj` below `prefix`.
  static Mlp gated(Weights weights, String prefix, Shapes s, Activation activation, boolean bias) {
    return new Mlp.Gated(
        weights.linear(prefix + ".gate_proj", s.dMlp(), s.dModel(), bias),
        weights.linear(prefix + ".up_proj", s.dMlp(), s.dModel(), bias),
        activation,
        weights.linear(prefix + ".down_proj", s.dModel(), s.dMlp(), bias));
  }

  /// The token table.
  static Tensor table(Weights weights, String name, Shapes s) {
    return weights.tensor(name, s.vocab(), s.dModel());
  }

  /// The head: its own matrix, or the table again when tied (a stored copy of it is then passed
  /// over).
  static Linear head(
      Weights weights, String prefix, String table, Shapes s, boolean tied, boolean bias) {
    if (!tied) {
      return weights.linear(prefix, s.vocab(), s.dModel(), bias);
    }
    weights.ledger().takeIfPresent(prefix + ".weight", s.vocab(), s.dModel());
    return weights.tied(
        table(weights, table, s),
        table,
        prefix + ".weight",
        bias ? weights.tensor(prefix + ".bias", s.vocab()) : null);
  }

  /// Slopes of ALiBi, one a head (Press et al. 2021, section 3): powers of 2^(-8/n) for n heads;
  /// for other n than a power of two the missing ones come from twice the next lower power.
  static float[] alibiSlopes(int heads) {
    int power = Integer.highestOneBit(heads);
    float[] slopes = new float[heads];
    double base = Math.pow(2, -8.0 / power);
    double between = Math.pow(2, -4.0 / power);
    for (int h = 0; h < heads; h++) {
      slopes[h] =
          (float) (h < power ? Math.pow(base, h + 1) : Math.pow(between, 2 * (h - power) + 1));
    }
    return slopes;
  }
}
