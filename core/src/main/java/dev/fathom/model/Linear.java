package dev.fathom.model;

import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Weight;
import org.jspecify.annotations.Nullable;

/// A linear map `y = x Wᵀ + b`, `[tokens, in] -> [tokens, out]`, and where its weight stands in the
/// checkpoint (for adapters and for merging edits).
///
/// @param adapter what computes the map instead while something beside the weight is learnt; null
///   otherwise. Methods that read the weight itself see the map without it: explain a model with
///   what was learnt merged into it, as an edit
public record Linear(
    Weight weight, @Nullable Tensor bias, Origin origin, @Nullable Adapter adapter) {
  /// Computes a map in its own way.
  @FunctionalInterface
  public interface Adapter {
    /// `x [tokens, in] -> [tokens, out]`.
    Tensor of(Linear linear, Tensor x);
  }

  public Linear(Weight weight, @Nullable Tensor bias, Origin origin) {
    this(weight, bias, origin, null);
  }

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
    return adapter == null ? weight.apply(x, bias) : adapter.of(this, x);
  }

  /// The map without its adapter.
  public Tensor plain(Tensor x) {
    return weight.apply(x, bias);
  }

  /// The same map, computed by this adapter.
  public Linear with(Adapter adapter) {
    return new Linear(weight, bias, origin, adapter);
  }

  public long in() {
    return weight.in();
  }

  public long out() {
    return weight.out();
  }
}
