package dev.fathom.model;

import dev.fathom.tensor.Tensor;
import java.util.Optional;

/// One layer of a transformer. The four orders of steps are four records; they differ in nothing
/// else.
public sealed interface Block permits SequentialBlock, ParallelBlock, SandwichBlock, PostNormBlock {
  /// `x [tokens, dModel] -> [queries, dModel]`, where queries are the tokens except in a last block
  /// of which only some are wanted.
  Tensor forward(int layer, Tensor x, Pass pass);

  Attention attention();

  Mlp mlp();

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
}
