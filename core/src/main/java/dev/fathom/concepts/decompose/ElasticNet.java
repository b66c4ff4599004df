package dev.fathom.concepts.decompose;

import java.util.Arrays;
import java.util.stream.IntStream;

/// The elastic net (Zou and Hastie 2005), as PaCE takes activations apart (Luo et al. 2024, eq 4):
///
///     min_c ½ ‖z − Dᵀ c‖² + α (τ ‖c‖₁ + ½ (1 − τ) ‖c‖²)
///
/// for z of length 1, by coordinate descent over the atoms that matter: those along z first, then
/// whatever violates the conditions of optimality, until none does.
///
/// @param alpha α, above 0: how much coefficients cost
/// @param tau τ from 0 to 1: 1 for the lasso, 0 for ridge
/// @param nonNegative whether atoms may only be added, not taken off
public record ElasticNet(double alpha, double tau, boolean nonNegative) implements Solver {
  private static final int AT_ONCE = 64;
  private static final double TOLERANCE = 1e-9;
  private static final double VIOLATION = 1e-6;
  private static final int SWEEPS = 100_000;

  public ElasticNet {
    if (!(alpha > 0) || !(tau >= 0 && tau <= 1)) {
      throw new IllegalArgumentException(
          "an elastic net takes alpha above 0 and tau from 0 to 1, found %s and %s"
              .formatted(alpha, tau));
    }
  }

  /// α = 0.05, τ = 0.95, either sign.
  public static ElasticNet standard() {
    return new ElasticNet(0.05, 0.95, false);
  }

  @Override
  public Code of(Atoms atoms, double[] z) {
    double norm = Vectors.norm(z);
    if (norm == 0) {
      return Code.zero();
    }
    Vectors vector = Vectors.of(z, norm);
    double[] target = atoms.along(vector.unit());
    int[] active = worst(target, new int[0]);
    double[] c = new double[active.length];
    while (active.length > 0) {
      descend(atoms.gram(active), of(target, active), c);
      int[] more = worst(atoms.along(atoms.without(vector.unit(), active, c)), active);
      if (more.length == 0) {
        break;
      }
      c = Arrays.copyOf(c, active.length + more.length);
      active = IntStream.concat(Arrays.stream(active), Arrays.stream(more)).toArray();
    }
    return vector.code(atoms, active, c, objective(atoms, vector, active, c));
  }

  /// Atoms that would help although they are not active, the most first.
  private int[] worst(double[] along, int[] active) {
    double least = alpha * tau;
    return IntStream.range(0, along.length)
        .filter(i -> Arrays.stream(active).noneMatch(a -> a == i))
        .filter(i -> size(along[i]) > least + VIOLATION)
        .boxed()
        .sorted((a, b) -> Double.compare(size(along[b]), size(along[a])))
        .limit(AT_ONCE)
        .mapToInt(Integer::intValue)
        .toArray();
  }

  private double size(double along) {
    return nonNegative ? along : Math.abs(along);
  }

  private static double[] of(double[] all, int[] some) {
    return Arrays.stream(some).mapToDouble(i -> all[i]).toArray();
  }

  /// One coordinate after another until none changes, in place.
  private void descend(double[] gram, double[] target, double[] c) {
    int n = c.length;
    double ridge = 1 + alpha * (1 - tau);
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
      double most = 0;
      for (int i = 0; i < n; i++) {
        double along = target[i] + c[i];
        for (int j = 0; j < n; j++) {
          along -= gram[i * n + j] * c[j];
        }
        double next = soft(along) / ridge;
        most = Math.max(most, Math.abs(next - c[i]));
        c[i] = next;
      }
      if (most < TOLERANCE) {
        return;
      }
    }
  }

  private double soft(double x) {
    double beyond = size(x) - alpha * tau;
    return beyond <= 0 ? 0 : Math.signum(x) * beyond;
  }

  private double objective(Atoms atoms, Vectors vector, int[] active, double[] c) {
    double left = Vectors.norm(atoms.without(vector.unit(), active, c));
    double absolute = Arrays.stream(c).map(Math::abs).sum();
    double squares = Arrays.stream(c).map(x -> x * x).sum();
    return left * left / 2 + alpha * (tau * absolute + (1 - tau) / 2 * squares);
  }

  @Override
  public String summary() {
    return "elastic net, alpha %s, tau %s%s"
        .formatted(alpha, tau, nonNegative ? ", not negative" : "");
  }
}
