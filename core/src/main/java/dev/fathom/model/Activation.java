package dev.fathom.model;

import dev.fathom.tensor.Tensor;

/// Pointwise non-linearities of MLPs; each maps 0 to 0.
public enum Activation {
  RELU,
  /// With the error function: `x Φ(x)`.
  GELU,
  /// The tanh approximation (GPT-2's `gelu_new`).
  GELU_TANH,
  /// `x sigmoid(x)`.
  SILU;

  public Tensor of(Tensor x) {
    return switch (this) {
      case RELU -> x.relu();
      case GELU -> x.gelu();
      case GELU_TANH -> x.geluTanh();
      case SILU -> x.silu();
    };
  }

  /// The slope of the line from 0 through the point at `x`, `of(x) / x`, without the division, so
  /// that it is exact near 0 as well. With the slope held fixed an activation is linear, and parts
  /// of a sum go through one by one: if `x = Σ x_k` then `of(x) = Σ slope(x) x_k`. (It is not the
  /// derivative.)
  public Tensor slope(Tensor x) {
    return switch (this) {
      case RELU -> x.gt(Tensor.zeros(x.dtype(), 1)).to(x.dtype());
      case GELU -> x.mul(-Math.sqrt(0.5)).erfc().mul(0.5); // Φ(x)
      case GELU_TANH ->
          x.square().mul(0.044715).add(1).mul(x).mul(Math.sqrt(2 / Math.PI)).tanh().add(1).mul(0.5);
      case SILU -> x.sigmoid();
    };
  }
}
