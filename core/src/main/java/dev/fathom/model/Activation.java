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
}
