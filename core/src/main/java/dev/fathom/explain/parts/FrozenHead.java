package dev.fathom.explain.parts;

import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.model.Head;
import dev.fathom.model.Norm;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;

/// The head with everything that is not linear held as it was for some streams, so that logits of
/// parts of a stream sum to the logit of the whole: direct logit attribution, `x · (γ ⊙ e_y) / s`
/// with the norm's divisor s at the true stream.
///
/// Logits are meant before a soft-cap, which no sum survives: `model.head().shaped` is left out but
/// for its scale. Parts and biases are as in [FrozenBlock].
final class FrozenHead {
  private final Head head;
  private final Tensor streams; // [positions, dModel]

  /// @param streams of the last block, `[positions, dModel]`
  FrozenHead(Head head, Tensor streams) {
    this.head = head;
    this.streams = streams.wide();
  }

  /// The type parts must have.
  DType dtype() {
    return streams.dtype();
  }

  /// What the map to the vocabulary reads: `[positions, slots, dModel]` to the same.
  Tensor read(Tensor parts, boolean biased) {
    return switch (head) {
      case Head.Unembedding h -> h.norm() == null ? parts : norm(h.norm(), parts, streams, biased);
      case Head.MaskedLm h -> {
        Tensor pre = h.transform().of(inType(h.transform().weight().values())).wide();
        Tensor y =
            FrozenBlock.map(h.transform().weight().values(), h.transform().bias(), parts, biased)
                .mul(h.activation().slope(pre).unsqueeze(1));
        yield norm(h.norm(), y, h.activation().of(pre), biased);
      }
      case Head.Classifier h -> {
        Tensor pre = h.pooler().of(inType(h.pooler().weight().values())).wide();
        Tensor zero = pre.eq(Tensor.zeros(pre.dtype(), 1));
        Tensor slope = pre.tanh().div(pre.maskedFill(zero, 1)).maskedFill(zero, 1);
        yield FrozenBlock.map(h.pooler().weight().values(), h.pooler().bias(), parts, biased)
            .mul(slope.unsqueeze(1));
      }
    };
  }

  private Tensor inType(Tensor weight) {
    return streams.to(weight.dtype());
  }

  private static Tensor norm(Norm norm, Tensor parts, Tensor truth, boolean biased) {
    return FrozenBlock.withBias(
        norm.frozen(parts, norm.scale(truth).unsqueeze(1)), norm.bias(), biased);
  }

  /// Logits of some outputs: `[positions, slots, dModel] -> [positions, slots, outputs]`.
  Tensor logits(Tensor parts, boolean biased, long... outputs) {
    Tensor index = Tensor.of(outputs, outputs.length);
    Tensor weight = head.out().weight().values().indexSelect(0, index);
    Tensor bias = head.out().bias();
    return scaled(
        FrozenBlock.map(
            weight, bias == null ? null : bias.indexSelect(0, index), read(parts, biased), biased));
  }

  /// What a question about logits measures ([dev.fathom.explain.Names#measured]), `[positions,
  /// slots, dModel] -> [positions, slots]`: the target's logit, or target less foil.
  Tensor measure(Tensor parts, boolean biased, Question question) {
    if (question.metric() != Metric.LOGIT_DIFFERENCE) {
      return logits(parts, biased, question.target()).select(2, 0);
    }
    Tensor both = logits(parts, biased, question.target(), question.foil().orElseThrow());
    return both.select(2, 0).sub(both.select(2, 1));
  }

  /// Logits of all outputs, without biases: `[n, dModel] -> [n, outputs]` of vectors that [#read]
  /// has returned.
  Tensor ofRead(Tensor read) {
    var out = head.out();
    return scaled(out.weight().apply(read.to(out.weight().values().dtype()), null));
  }

  private Tensor scaled(Tensor logits) {
    return head instanceof Head.Unembedding h && h.scale() != 1 ? logits.mul(h.scale()) : logits;
  }
}
