package dev.fathom.train;

import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2): `m ← β₁m + (1−β₁)g`,
/// `v ← β₂v + (1−β₂)g²`, `θ ← θ − η·λ·θ − η·m̂ / (√v̂ + ε)` with the bias of both moments
/// corrected. Matrices decay, vectors do not.
public final class AdamW implements Optimiser {
  /// @param beta1 decay of the mean
  /// @param beta2 decay of the mean square
  /// @param epsilon added to the root
  /// @param weightDecay λ
  public record Config(double beta1, double beta2, double epsilon, double weightDecay) {
    /// β 0.9 and 0.95, ε 1e-8, decay 0.1: usual for language models from scratch.
    public static Config standard() {
      return new Config(0.9, 0.95, 1e-8, 0.1);
    }

    public Config {
      if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) {
        throw new IllegalArgumentException(
            "Adam's decays must be at least 0 and below 1, found %s and %s"
                .formatted(beta1, beta2));
      }
      if (!(epsilon > 0) || !(weightDecay >= 0)) {
        throw new IllegalArgumentException(
            "Adam's epsilon must be above 0 and its weight decay at least 0, found %s and %s"
                .formatted(epsilon, weightDecay));
      }
    }
  }

  private final Parameters parameters;
  private final Config config;
  private final Tensor mean;
  private final Tensor square;

  public AdamW(Parameters parameters, Config config) {
    this.parameters = parameters;
    this.config = config;
    try (var scope = Scope.open()) {
      this.mean = Tensor.zeros(parameters.dtype(), parameters.elements()).keep();
      this.square = Tensor.zeros(parameters.dtype(), parameters.elements()).keep();
    }
  }

  Tensor mean() {
    return mean;
  }

  Tensor square() {
    return square;
  }

  @Override
  public void step(Tensor gradient, long step, double learningRate) {
    try (var scope = Scope.withoutGradients()) {
      Tensor values = parameters.flat();
      values
          .narrow(0, 0, parameters.matrixElements())
          .mulInPlace(1 - learningRate * config.weightDecay);
      mean.lerpInPlace(gradient, 1 - config.beta1);
      square.mulInPlace(config.beta2).addcmulInPlace(gradient, gradient, 1 - config.beta2);
      double meanBias = 1 - Math.pow(config.beta1, step);
      double squareBias = 1 - Math.pow(config.beta2, step);
      Tensor root = square.sqrt().mulInPlace(1 / Math.sqrt(squareBias)).add(config.epsilon);
      values.addcdivInPlace(mean, root, -learningRate / meanBias);
    }
  }

  @Override
  public void close() {
    mean.free();
    square.free();
  }
}
