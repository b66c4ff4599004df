package dev.fathom.explain.causal;

import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;

/// Random directions, as controls: a change that means nothing and is as large as one that does.
final class Bearings {
  private final Random random;

  Bearings(long seed) {
    this.random = new Random(seed);
  }

  /// As far from `from` as `to` is, in a direction that is uniform on the sphere.
  Tensor away(Tensor from, Tensor to) {
    double distance = norm(to.sub(from).toDoubles());
    double[] values = new double[(int) Arrays.stream(from.shape()).reduce(1, (a, b) -> a * b)];
    Arrays.setAll(values, _ -> random.nextGaussian());
    double scale = distance / norm(values);
    return from.add(Tensor.of(values, from.shape()).mul(scale).to(from.dtype()));
  }

  private static double norm(double[] values) {
    return Math.sqrt(Arrays.stream(values).map(v -> v * v).sum());
  }
}
