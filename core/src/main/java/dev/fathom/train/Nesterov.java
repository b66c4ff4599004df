package dev.fathom.train;

import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;

/// Gradient descent with Nesterov's momentum, as PyTorch's SGD has it: `g ← g + λθ`, `m ← μm + g`,
/// `θ ← θ − η (g + μm)`. The decay pulls all parameters, vectors too.
public final class Nesterov implements Optimiser {
  private final Parameters parameters;
  private final double momentum;
  private final double weightDecay;
  private final Tensor velocity;

  /// @param momentum μ
  /// @param weightDecay λ
  public Nesterov(Parameters parameters, double momentum, double weightDecay) {
    if (!(momentum >= 0 && momentum < 1) || !(weightDecay >= 0)) {
      throw new IllegalArgumentException(
          "momentum must be at least 0 and below 1, weight decay at least 0, found %s and %s"
              .formatted(momentum, weightDecay));
    }
    this.parameters = parameters;
    this.momentum = momentum;
    this.weightDecay = weightDecay;
    try (var scope = Scope.open()) {
      this.velocity = Tensor.zeros(parameters.dtype(), parameters.elements()).keep();
    }
  }

  @Override
  public void step(Tensor gradient, long step, double learningRate) {
    try (var scope = Scope.withoutGradients()) {
      Tensor values = parameters.flat();
      Tensor g = gradient.add(values.mul(weightDecay));
      velocity.mulInPlace(momentum).addInPlace(g);
      values.addInPlace(g.add(velocity.mul(momentum)).mul(-learningRate));
    }
  }

  @Override
  public void close() {
    velocity.free();
  }
}
