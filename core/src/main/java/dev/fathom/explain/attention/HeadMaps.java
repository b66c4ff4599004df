package dev.fathom.explain.attention;

import dev.fathom.model.Attention;
import dev.fathom.model.Block;
import dev.fathom.model.Head;
import dev.fathom.model.Norm;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Weight;
import java.util.Arrays;

/// What the heads of a layer read and write as linear maps, in F32 or wider: biases left out, norms
/// with a divisor of 1.
final class HeadMaps {
  /// Logits held at a time.
  private static final long CHUNK_BYTES = 64 << 20;

  private final Block block;
  private final Attention attention;

  HeadMaps(Transformer model, int layer) {
    this.block = model.blocks().get(layer);
    this.attention = block.attention();
  }

  /// Tokens as the stream first has them, positions left out, `[n, dModel]`.
  static Tensor words(Transformer model, long[] ids) {
    var embedding = model.embedding();
    Tensor rows = embedding.table().embedding(Tensor.of(ids, ids.length)).mul(embedding.scale());
    Norm norm = embedding.norm();
    return norm == null ? rows : norm.of(rows);
  }

  /// What attention reads of vectors of the stream.
  Tensor read(Tensor stream) {
    return block.steps().attentionReads(stream);
  }

  private static Tensor unit(Tensor like) {
    return Tensor.full(1, like.dtype() == DType.F64 ? DType.F64 : DType.F32, 1);
  }

  /// The weights with the gains of the norms around attention folded in, one of each map a query
  /// head: `[heads, width, dModel]`. A head's OV map is `vᵀ out`, its QK map `qᵀ k`.
  Attention.Maps folded() {
    Attention.Maps maps = attention.maps();
    return new Attention.Maps(
        reading(maps.q()),
        reading(shared(maps.k())),
        reading(shared(maps.v())),
        added(maps.out().wide()));
  }

  /// Key/value heads as the query heads use them.
  private Tensor shared(Tensor perKvHead) {
    long[] index = new long[attention.heads()];
    Arrays.setAll(index, h -> (long) h * attention.kvHeads() / attention.heads());
    return perKvHead.indexSelect(0, index);
  }

  private Tensor reading(Tensor map) {
    Tensor wide = map.wide();
    Norm norm = block.steps().read1();
    if (norm == null) {
      return wide;
    }
    Tensor gained = wide.mul(norm.gain().wide());
    return norm.centred() ? gained.sub(gained.mean(-1, true)) : gained;
  }

  /// What the stream gets of vectors that attention returns.
  private Tensor added(Tensor out) {
    Block.Steps steps = block.steps();
    Norm norm = steps.post1();
    Tensor normed = norm == null ? out : norm.linear(out, unit(out));
    return steps.multiplier() == 1 ? normed : normed.mul(steps.multiplier());
  }

  /// What each head writes for what attention reads, `[n, dModel] -> [heads, n, dModel]`.
  Tensor written(Tensor read) {
    Attention.Maps maps = attention.maps();
    Tensor values = read.wide().unsqueeze(0).matmul(shared(maps.v()).wide().transpose(1, 2));
    return added(values.matmul(maps.out().wide()));
  }

  /// Queries and keys of what attention reads, `[heads, n, width]`, already scaled: their products
  /// are scores.
  Attention.Qkv asked(Tensor read, boolean turned) {
    Attention.Qkv qkv = attention.read(read, turned);
    return new Attention.Qkv(
        qkv.q().wide().mul(attention.scale()).transpose(0, 1),
        shared(qkv.k().wide().transpose(0, 1)),
        qkv.v());
  }

  /// What vectors of the stream say to the vocabulary, `[n, dModel] -> [n, vocab]`: the final norm
  /// with a divisor of 1, no biases, no soft-cap.
  ///
  /// @throws IllegalArgumentException if the head is not linear
  static Tensor vocabulary(Transformer model, Tensor x) {
    Head.Unembedding head = unembedding(model);
    Norm norm = head.norm();
    Tensor read = norm == null ? x : norm.linear(x, unit(x));
    Weight table = head.out().weight();
    return table.apply(read.to(table.values().dtype()), null).wide().mul(head.scale());
  }

  /// Vectors that [#vocabulary] should be given at a time.
  static int rowsAtOnce(Transformer model) {
    return (int) Math.max(1, CHUNK_BYTES / (3L * Float.BYTES * model.outputs()));
  }

  /// @throws IllegalArgumentException if the head is not linear
  static Head.Unembedding unembedding(Transformer model) {
    if (model.head() instanceof Head.Unembedding head) {
      return head;
    }
    throw new IllegalArgumentException(
        "%s models read their vocabulary or classes through a layer that is not linear, so what a single head writes cannot be read in it."
            .formatted(model.card().family()));
  }
}
