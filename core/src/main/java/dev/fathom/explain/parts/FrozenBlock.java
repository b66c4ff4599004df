package dev.fathom.explain.parts;

import dev.fathom.explain.parts.TokenDecomposition.Gated;
import dev.fathom.model.Attention;
import dev.fathom.model.Block;
import dev.fathom.model.Kind;
import dev.fathom.model.Linear;
import dev.fathom.model.Mlp;
import dev.fathom.model.Norm;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A block with everything that is not linear held as it was in one run: the divisors of its norms
/// ([Norm#frozen]), its attention pattern, the slopes of its activations
/// ([dev.fathom.model.Activation#slope]). What is left is a linear map and some biases, so that any
/// split of the stream into parts may be taken through, and the parts still sum to the stream
/// (thesis eq 4.1-4.3, B.1-B.3; DecompX: Modarressi et al. 2023).
///
/// Parts are `[positions, slots, dModel]`: several vectors for each position of the run. Each step
/// is linear in them; where `biased`, slot 0 also takes the biases. `from` is the position of the
/// run that the first of the parts belongs to.
final class FrozenBlock {
  private final Block block;
  private final Block.Steps steps;
  private final Tensor before; // the stream entering the block, [tokens, dModel]
  private final Map<Kind, Tensor> values;

  /// @param before the stream that enters it
  /// @param values what the run had at its sites
  FrozenBlock(Block block, Tensor before, Map<Kind, Tensor> values) {
    this.block = block;
    this.steps = block.steps();
    this.before = before;
    this.values = values;
  }

  /// What the run had at a site of this block.
  Tensor at(Kind kind) {
    return FrozenRun.required(values, kind);
  }

  /// The same for one position alone, which is then position 0, with copies that live in `home`;
  /// without values that only all positions together have.
  FrozenBlock only(int position, Scope home) {
    var copies = new EnumMap<Kind, Tensor>(Kind.class);
    values.forEach((kind, value) -> {
      if (!kind.pairwise() && kind != Kind.V) {
        copies.put(kind, home.keep(value.narrow(0, position, 1).copy()));
      }
    });
    return new FrozenBlock(block, home.keep(before.narrow(0, position, 1).copy()), copies);
  }

  /// The stream that enters the block.
  Tensor before() {
    return before;
  }

  /// The model's block.
  Block block() {
    return block;
  }

  /// What each of some heads adds to the stream, but for biases.
  ///
  /// @param heads indices, without which all
  /// @param z `[positions, heads, width]` -> `[positions, chosen, dModel]`
  Tensor headsOut(Tensor z, int from, long... heads) {
    Tensor weight = block.attention().out().weight().values();
    Tensor raw = block.attention().headOut(z.to(weight.dtype())).wide();
    return attentionOut(heads.length == 0 ? raw : raw.indexSelect(1, heads), from, false);
  }

  /// Parts of the stream that enters, to parts of the stream that leaves, all positions at once.
  Tensor through(Tensor parts, Gated gated, boolean biased) {
    return rest(parts, values(parts, 0, biased), 0, gated, biased);
  }

  /// First half: the parts' values, `[positions, slots, dModel] -> [kvHeads, positions, slots,
  /// width]`.
  Tensor values(Tensor parts, int from, boolean biased) {
    Attention attention = block.attention();
    Tensor read = norm(steps.read1(), parts, before, from, biased);
    Tensor v = map(attention.valueWeight(), attention.valueBias(), read, biased);
    return v.view(parts.size(0), parts.size(1), attention.kvHeads(), attention.width())
        .permute(2, 0, 1, 3);
  }

  /// Second half.
  ///
  /// @param parts of the positions that are wanted, one after another
  /// @param values of the first positions of the run, as many as those read, `[kvHeads, positions,
  ///   slots, width]`
  Tensor rest(Tensor parts, Tensor values, int from, Gated gated, boolean biased) {
    Tensor attn = attentionOut(attention(values, from, (int) parts.size(0), biased), from, biased);
    Tensor mid = afterAttention(parts.add(attn), from, biased);
    Tensor read =
        steps.parallel()
            ? norm(steps.read2(), parts, before, from, biased)
            : norm(
                steps.read2(),
                mid,
                steps.read2() == null ? before : at(Kind.RESID_MID),
                from,
                biased);
    Tensor out = mlpOut(mlp(read, from, gated, biased), from, biased);
    return afterMlp(mid.add(out), from, biased);
  }

  /// Of what attention returns, to what it adds to the stream.
  Tensor attentionOut(Tensor parts, int from, boolean biased) {
    return added(steps.post1(), Kind.ATTN_RAW, parts, from, biased);
  }

  /// Of what the MLP returns, to what it adds to the stream.
  Tensor mlpOut(Tensor parts, int from, boolean biased) {
    return added(steps.post2(), Kind.MLP_RAW, parts, from, biased);
  }

  private Tensor added(@Nullable Norm post, Kind raw, Tensor parts, int from, boolean biased) {
    Tensor y = post == null ? parts : norm(post, parts, at(raw), from, biased);
    return steps.multiplier() == 1 ? y : y.mul(steps.multiplier());
  }

  /// Of the sum of stream and attention, to the stream between the sublayers: the same but in
  /// post-norm blocks.
  Tensor afterAttention(Tensor parts, int from, boolean biased) {
    return steps.after1() == null
        ? parts
        : norm(steps.after1(), parts, before.add(at(Kind.ATTN_OUT)), from, biased);
  }

  /// Of the sum of that stream and the MLP, to the stream that leaves.
  Tensor afterMlp(Tensor parts, int from, boolean biased) {
    return steps.after2() == null
        ? parts
        : norm(steps.after2(), parts, at(Kind.RESID_MID).add(at(Kind.MLP_OUT)), from, biased);
  }

  /// A norm with the divisors of `truth`, the stream that it normalised in the run.
  private static Tensor norm(
      @Nullable Norm norm, Tensor parts, Tensor truth, int from, boolean biased) {
    if (norm == null) {
      return parts;
    }
    Tensor scale = norm.scale(truth.narrow(0, from, parts.size(0))).unsqueeze(1);
    return withBias(norm.frozen(parts, scale), norm.bias(), biased);
  }

  /// What heads read from the parts' values, through the output map: `-> [positions, slots,
  /// dModel]`.
  private Tensor attention(Tensor values, int from, int count, boolean biased) {
    Attention attention = block.attention();
    long kv = values.size(0);
    long keys = values.size(1);
    long slots = values.size(2);
    long width = values.size(3);
    long each = attention.heads() / kv;
    Tensor pattern = // [kvHeads, each · count, keys]
        at(Kind.PATTERN)
            .select(0, 0)
            .narrow(1, from, count)
            .narrow(2, 0, keys)
            .reshape(kv, each * count, keys);
    Tensor z =
        pattern
            .matmul(values.reshape(kv, keys, slots * width))
            .view(kv, each, count, slots, width)
            .permute(2, 3, 0, 1, 4)
            .reshape(count, slots, attention.heads() * width);
    return map(attention.out(), z, biased);
  }

  private Tensor mlp(Tensor read, int from, Gated gated, boolean biased) {
    return switch (block.mlp()) {
      case Mlp.Plain mlp -> {
        Tensor slope = mlp.activation().slope(here(Kind.MLP_GATE, read, from));
        yield map(mlp.out(), map(mlp.in(), read, biased).mul(slope), biased);
      }
      case Mlp.Gated mlp -> {
        Tensor g = here(Kind.MLP_GATE, read, from); // [positions, 1, dMlp]
        Tensor act = mlp.activation().of(g);
        Tensor slope = mlp.activation().slope(g).mul(here(Kind.MLP_UP, read, from));
        Tensor neurons =
            switch (gated) {
              case GATE_FROZEN -> map(mlp.up(), read, biased).mul(act);
              case UP_FROZEN -> map(mlp.gate(), read, biased).mul(slope);
              case SYMMETRIC ->
                  map(mlp.up(), read, biased)
                      .mul(act.mul(0.5))
                      .addcmul(map(mlp.gate(), read, biased), slope.mul(0.5));
            };
        yield map(mlp.out(), neurons, biased);
      }
    };
  }

  private Tensor here(Kind kind, Tensor parts, int from) {
    return at(kind).narrow(0, from, parts.size(0)).unsqueeze(1);
  }

  private static Tensor map(Linear linear, Tensor parts, boolean biased) {
    if (linear.weight().values().dtype() != parts.dtype()) {
      return map(linear.weight().values(), linear.bias(), parts, biased);
    }
    Tensor flat = linear.weight().apply(parts.flatten(0, 1), null);
    return withBias(flat.view(parts.size(0), parts.size(1), linear.out()), linear.bias(), biased);
  }

  /// The same over a matrix that is used once, brought into the parts' type.
  static Tensor map(Tensor matrix, @Nullable Tensor bias, Tensor parts, boolean biased) {
    return withBias(parts.linear(matrix.to(parts.dtype()), null), bias, biased);
  }

  /// Adds a bias to slot 0 of freshly computed parts.
  static Tensor withBias(Tensor parts, @Nullable Tensor bias, boolean biased) {
    if (biased && bias != null) {
      parts.narrow(1, 0, 1).addInPlace(bias);
    }
    return parts;
  }
}
