package dev.fathom.evaluate;

import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.model.Attention;
import dev.fathom.model.Block;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;

/// How much memory a model takes, estimated from its structure alone. All figures are bytes; none
/// counts the libraries themselves (about 400 MB of address space).
///
/// @param weights of the weights: mapped from the file where it has this type, so that the system
///   may drop and reread them; otherwise converted into memory
/// @param prepared of the copies that the fast kernels make of the linear maps at first use
/// @param kvCache of the keys and values of one row of that length
/// @param activations of the largest values that are alive at once in a forward pass over one row,
///   logits of all its tokens included
public record Footprint(long weights, long prepared, long kvCache, long activations) {
  /// Linear maps with fewer numbers have no second copy.
  private static final long SMALLEST_PREPARED = 1 << 16;

  /// Values of the width of the stream that a block holds at once: the stream, its norm, q, k, v,
  /// z.
  private static final int STREAMS = 6;

  /// Everything together.
  public long total() {
    return weights + prepared + kvCache + activations;
  }

  /// Estimates for a model that [dev.fathom.arch.Models#describe] or `load` gave.
  ///
  /// @param dtype F32 or BF16
  /// @param tokens length of the row
  public static Footprint of(Transformer model, Checkpoint checkpoint, DType dtype, int tokens) {
    long size = dtype.bytes();
    long kvWidth = 0;
    long widest = 0;
    for (Block block : model.blocks()) {
      Attention attention = block.attention();
      kvWidth += 2L * attention.kvHeads() * attention.width();
      widest = Math.max(widest, 3 * block.mlp().out().in());
    }
    long perToken = Math.max(STREAMS * (long) model.dModel() + widest, model.outputs());
    return new Footprint(
        size * model.card().parameters(),
        prepared(checkpoint, size),
        model.card().causal() ? size * kvWidth * tokens : 0,
        size * perToken * tokens);
  }

  private static long prepared(Checkpoint checkpoint, long size) {
    return checkpoint.tensors().values().stream()
        .filter(info -> info.shape().size() == 2 && info.type() != TensorType.BOOL)
        .mapToLong(TensorInfo::elements)
        .filter(elements -> elements >= SMALLEST_PREPARED)
        .map(elements -> size * elements)
        .sum();
  }
}
