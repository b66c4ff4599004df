package dev.fathom.explain.parts;

import dev.fathom.explain.parts.TokenDecomposition.Bias;
import dev.fathom.explain.parts.TokenDecomposition.Gated;
import dev.fathom.model.Embedding;
import dev.fathom.model.Kind;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// The stream at every position, as one vector for each token before it and one for the biases:
/// `[positions, slots, dModel]`, taken through a model block by block. Slot 0 holds the biases;
/// slot 1 the position embedding, if that has its own; then come the tokens, so that what a
/// position of a causal model can hold is a prefix of the slots, and only prefixes are computed.
///
/// Memory is that of the array, `positions · slots · dModel`, plus a third or so for values;
/// everything wider is made for [#ROWS] vectors at a time.
///
/// Lives in the scope it is made in.
final class TokenParts {
  /// Vectors taken through the wide maps at a time.
  static final int ROWS = 512;

  private final Transformer model;
  private final Gated gated;
  private final Bias bias;
  private final int positions;
  private final int extra;
  private final Tensor parts; // [positions, slots, dModel]

  /// The embeddings.
  ///
  /// @param run before its first block
  /// @param positionSlot whether position (and segment) embeddings have a slot of their own
  TokenParts(Transformer model, FrozenRun run, Gated gated, Bias bias, boolean positionSlot) {
    this.model = model;
    this.gated = gated;
    this.bias = bias;
    this.positions = (int) run.stream().size(0);
    this.extra = positionSlot ? 2 : 1;
    Tensor stream = run.stream();
    Scope home = Scope.current();
    try (var scope = Scope.withoutGradients()) {
      parts =
          home.keep(
              Tensor.zeros(stream.dtype(), positions, extra + (long) positions, model.dModel()));
      Tensor token = FrozenRun.required(run.embedded(), Kind.EMBED);
      Tensor place = place(run);
      if (place != null && !positionSlot) {
        token = token.add(place);
      }
      Tensor sum = place == null || !positionSlot ? token : token.add(place);
      for (int i = 0; i < positions; i++) {
        if (place != null && positionSlot) {
          parts.select(0, i).select(0, 1).copyInPlace(place.select(0, i));
        }
        parts.select(0, i).select(0, extra + i).copyInPlace(token.select(0, i));
      }
      Embedding embedding = model.embedding();
      if (embedding.norm() != null) {
        Tensor scale = embedding.norm().scale(sum).unsqueeze(1);
        Tensor normed = embedding.norm().frozen(parts, scale);
        parts.copyInPlace(FrozenBlock.withBias(normed, embedding.norm().bias(), true));
      }
      spread(0, positions);
    }
  }

  /// What position and segment add to a token's embedding, `[tokens, dModel]`; null for nothing.
  static @Nullable Tensor place(FrozenRun run) {
    Tensor position = run.embedded().get(Kind.POS_EMBED);
    Tensor segment = run.embedded().get(Kind.TOKEN_TYPE_EMBED);
    return position == null || segment == null
        ? (position == null ? segment : position)
        : position.add(segment);
  }

  /// Through one block.
  void through(FrozenBlock block) {
    through(block, 0, positions);
  }

  /// Through one block at one position only: enough in the last block.
  void through(FrozenBlock block, int position) {
    through(block, position, 1);
  }

  private void through(FrozenBlock block, int first, int count) {
    boolean causal = model.card().causal();
    int seen = causal ? first + count : positions; // positions that are read
    try (var scope = Scope.withoutGradients()) {
      var attention = block.block().attention();
      Tensor values =
          Tensor.zeros(parts.dtype(), attention.kvHeads(), seen, parts.size(1), attention.width());
      for (int from = 0; from < seen; from += step()) {
        int n = Math.min(step(), seen - from);
        try (var chunk = Scope.open()) {
          int slots = slots(from + n);
          Tensor part = block.values(prefix(from, n, slots), from, true);
          values.narrow(1, from, n).narrow(2, 0, slots).copyInPlace(part);
        }
      }
      for (int from = first; from < first + count; from += step()) {
        int n = Math.min(step(), first + count - from);
        try (var chunk = Scope.open()) {
          int slots = slots(from + n);
          Tensor read = values.narrow(1, 0, causal ? from + n : positions).narrow(2, 0, slots);
          Tensor here = prefix(from, n, slots);
          here.copyInPlace(block.rest(here, read, from, gated, true)); // values need it no more
          spread(from, n);
        }
      }
    }
  }

  /// Positions that are computed together.
  private int step() {
    return (int) Math.max(1, ROWS / parts.size(1));
  }

  /// How many slots can hold anything at the positions before `end`.
  private int slots(int end) {
    return (int) (model.card().causal() ? extra + end : parts.size(1));
  }

  private Tensor prefix(int from, int count, int slots) {
    return parts.narrow(0, from, count).narrow(1, 0, slots);
  }

  /// Shares the bias slot out between the tokens, if that is wanted.
  private void spread(int from, int count) {
    if (bias == Bias.SEPARATE) {
      return;
    }
    Tensor biases = parts.narrow(0, from, count).narrow(1, 0, 1); // [count, 1, dModel]
    Tensor tokens = parts.narrow(0, from, count).narrow(1, extra, positions);
    Tensor norms = tokens.norm(-1, false); // [count, tokens]
    Tensor zero = Tensor.zeros(norms.dtype(), 1);
    Tensor there = norms.gt(zero).to(norms.dtype());
    Tensor weights =
        switch (bias) {
          case SEPARATE, EQUAL -> there;
          case NORM -> norms;
          case ABSDOT -> tokens.matmul(biases.transpose(1, 2)).squeeze(2).abs();
        };
    Tensor none = weights.sum(1, true).eq(zero).to(norms.dtype()); // then all alike
    weights = weights.add(there.mul(none));
    Tensor total = weights.sum(1, true);
    weights = weights.div(total.maskedFill(total.eq(zero), 1)); // no token at all: biases stay
    tokens.addInPlace(weights.unsqueeze(2).mul(biases));
    biases.mulInPlace(total.eq(zero).to(norms.dtype()).unsqueeze(2));
  }

  /// All of it, `[positions, slots, dModel]`.
  Tensor all() {
    return parts;
  }

  /// The parts of one position, a copy, `[slots, dModel]`.
  Tensor at(int position) {
    return parts.select(0, position).copy();
  }

  /// Slots before those of the tokens.
  int extra() {
    return extra;
  }

  /// How far the parts' sum is from a stream, over positions from `first`: the largest gap, as a
  /// share of the position's largest number.
  double gap(Tensor stream, int first, int count) {
    try (var scope = Scope.withoutGradients()) {
      Tensor truth = stream.narrow(0, first, count);
      Tensor off = parts.narrow(0, first, count).sum(1, false).sub(truth).abs().max(-1, false);
      return off.div(truth.abs().max(-1, false)).max().item();
    }
  }
}
