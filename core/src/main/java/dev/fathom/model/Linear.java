package dev.fathom.model;

import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Weight;
import org.jspecify.annotations.Nullable;

/// A linear map `y = x Wᵀ + b`, `[tokens, in] -> [tokens, out]`, and where its weight stands in the
/// checkpoint (for adapters and for merging edits).
public record Linear(Weight weight, @Nullable Tensor bias, Origin origin) {
  /// The tensor of the checkpoint that holds a weight: rows `from` to `to` of its output axis;
  /// `transposed` when it is stored `[in, out]` (GPT-2's Conv1D).
  ///
  /// @param tensor its name
  /// @param stored the tensor whose numbers it reads: `tensor`, but for a tied head the embedding's
  ///   table, and then `tensor` is what it would be called as one of its own
  public record Origin(String tensor, long from, long to, boolean transposed, String stored) {
    public Origin(String tensor, long from, long to, boolean transposed) {
      this(tensor, from, to, transposed, tensor);
    }

    /// Whether another part of the model reads the same numbers.
    public boolean tied() {
      return !stored.equals(tensor);
    }
  }

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
