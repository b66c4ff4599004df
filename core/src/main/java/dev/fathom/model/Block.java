package dev.fathom.model;

import dev.fathom.tensor.Tensor;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// One layer of a transformer. The four orders of steps are four records; they differ in nothing
/// else.
public sealed interface Block permits SequentialBlock, ParallelBlock, SandwichBlock, PostNormBlock {
  /// `x [tokens, dModel] -> [queries, dModel]`, where queries are the tokens except in a last block
  /// of which only some are wanted.
  Tensor forward(int layer, Tensor x, Pass pass);

  Attention attention();

  Mlp mlp();

  /// The order of its steps as data.
  Steps steps();

  /// Why this block has no such site; empty when it has.
  default Optional<String> refusal(Kind kind) {
    return switch (kind) {
      case MLP_UP ->
          mlp() instanceof Mlp.Plain
              ? Optional.of("its MLP is not gated: there is no second branch beside mlp_gate")
              : Optional.empty();
      default -> Optional.empty();
    };
  }

  /// Where a block has norms, and what its MLP reads. Methods that take a block apart ask this, so
  /// that they need not know the four orders:
  ///
  ///     attn = multiplier · post1(Attn(read1(x)));  mid = after1(x + attn)
  ///     mlp = multiplier · post2(Mlp(read2(parallel ? x : mid)));  out = after2(mid + mlp)
  ///
  /// @param read1 before attention; like every norm here, null where there is none
  /// @param post1 on what attention returns
  /// @param after1 on the stream after attention was added
  /// @param read2 before the MLP
  /// @param post2 on what the MLP returns
  /// @param after2 on the stream after the MLP was added
  /// @param multiplier factor on what each sublayer returns
  /// @param parallel whether the MLP reads the stream that attention reads
  record Steps(
      @Nullable Norm read1,
      @Nullable Norm post1,
      @Nullable Norm after1,
      @Nullable Norm read2,
      @Nullable Norm post2,
      @Nullable Norm after2,
      double multiplier,
      boolean parallel) {
    /// What attention reads of the stream that enters the block.
    public Tensor attentionReads(Tensor stream) {
      return read1 == null ? stream : read1.of(stream);
    }

    /// What the MLP reads.
    ///
    /// @param before the stream that enters the block
    /// @param between that stream with what attention returns added to it, not yet normed
    public Tensor mlpReads(Tensor before, Tensor between) {
      Tensor stream = parallel ? before : after1 == null ? between : after1.of(between);
      return read2 == null ? stream : read2.of(stream);
    }
  }
}
