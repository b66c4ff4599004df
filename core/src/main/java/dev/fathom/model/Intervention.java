package dev.fathom.model;

import dev.fathom.tensor.Tensor;
import java.util.function.UnaryOperator;

/// A change to make at a part of a site, as a value: what is changed and how. [Taps#of] makes a tap
/// of any number of them; the order in which they are given never matters.
///
/// Tensors are broadcast to the shape of the part: `[tokens, …]` as [Slice] picks them in packed
/// order, `[tokens, heads, …]` with only the picked heads or neurons on the second axis; at
/// pairwise sites `[rows, heads, queries, keys]`. They must stay alive until the pass is over.
public sealed interface Intervention {
  Slice slice();

  /// The value there becomes this one (patching).
  record Replace(Slice slice, Tensor value) implements Intervention {}

  /// The value there becomes zero (zero ablation).
  record Zero(Slice slice) implements Intervention {}

  /// The value there is multiplied.
  record Scale(Slice slice, double factor) implements Intervention {}

  /// `factor` times a vector is added to the value there (steering).
  record Add(Slice slice, Tensor vector, double factor) implements Intervention {}

  /// The value there becomes a function of itself, of the same shape.
  record Change(Slice slice, UnaryOperator<Tensor> by) implements Intervention {}
}
