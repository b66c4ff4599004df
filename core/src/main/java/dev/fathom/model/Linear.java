package dev.fathom.model;

import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Weight;
import org.jspecify.annotations.Nullable;

/// A linear map `y = x Wᵀ + b`, `[tokens, in] -> [tokens, out]`, and where its weight stands in the
/// checkpoint (for adapters and for merging edits).
public record Linear(Weight weight, @Nullable Tensor bias, Origin origin) {
  /// The tensor of the checkpoint that holds a weight: rows `from` to `to` of its output axis;
  /// `transposed` when it is stored `[in, out]` (GPT-2's Conv1D).
  public record Origin(String tensor, long from, long to, boolean transposed) {}

  public Tensor of(Tensor x) {
    return weight.apply(x, bias);
  }

  public long in() {
    return weight.in();
  }

  public long out() {
    return weight.out();
  }
}
