package dev.fathom.train;

import dev.fathom.tensor.Tensor;

/// Moves parameters down a gradient. Belongs to the parameters it was made for; closed when done.
public sealed interface Optimiser extends AutoCloseable permits AdamW, Nesterov {
  /// One step down `gradient [elements]`.
  ///
  /// @param step counted from 1
  void step(Tensor gradient, long step, double learningRate);

  @Override
  void close();
}
