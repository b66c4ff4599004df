package dev.fathom.align.probe;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/// Is a class readable along one direction, or along many? The best probe, then the best one that
/// may not use its direction, and so on (thesis Fig 4.9):
///
///     θ⁽ʲ⁾ = the probe of  X − X Q Qᵀ,   Q = [θ⁽¹⁾ … θ⁽ʲ⁻¹⁾]
///
/// Vectors are projected first and standardised afterwards, so that directions are orthogonal in
/// the model's own space. A probe says the same of a vector and of the projected vector.
///
/// A second probe as good as the first does not mean that the class has two dimensions of meaning:
/// in a wide space with few examples many directions separate any two classes. Look at the shuffled
/// control, too.
public final class OrthogonalProbes {
  /// A column that varies less than this share of what it did before is used up.
  private static final double LEFT = 1e-4;

  private OrthogonalProbes() {}

  /// Up to `count` probes, each orthogonal to those before it; fewer where there is nothing left to
  /// learn from, as after `width` of them.
  ///
  /// @param x `[n, width]`
  public static List<LogisticFit.Fitted> of(
      Tensor x, boolean[] positive, int count, LogisticFit.Config config) {
    if (count < 1) {
      throw new IllegalArgumentException("at least one probe is needed, found " + count);
    }
    return after(LogisticFit.of(x, positive, config), x, positive, count, config);
  }

  /// The same where the first is known.
  static List<LogisticFit.Fitted> after(
      LogisticFit.Fitted first,
      Tensor x,
      boolean[] positive,
      int count,
      LogisticFit.Config config) {
    var probes = new ArrayList<LogisticFit.Fitted>();
    probes.add(first);
    try (var scope = Scope.withoutGradients()) {
      Tensor wide = x.to(DType.F64);
      double[] least = least(wide);
      while (probes.size() < Math.min(count, x.size(1)) && probes.getLast().probe().scale() > 0) {
        try (var inner = Scope.open()) {
          Tensor basis = basis(probes); // [j, width]
          var projected = LogisticFit.Standardised.of(off(off(wide, basis), basis), least);
          var next = LogisticFit.of(projected, List.of(positive), config, null).getFirst();
          probes.add(orthogonal(next, basis));
        }
      }
    }
    if (probes.size() > 1 && probes.getLast().probe().scale() == 0) {
      probes.removeLast(); // nothing was left
    }
    return List.copyOf(probes);
  }

  private static double[] least(Tensor x) {
    try (var scope = Scope.open()) {
      return LogisticFit.Standardised.of(x).least(LEFT);
    }
  }

  private static Tensor basis(List<LogisticFit.Fitted> probes) {
    int width = probes.getFirst().probe().width();
    double[] rows = new double[probes.size() * width];
    for (int j = 0; j < probes.size(); j++) {
      System.arraycopy(probes.get(j).probe().direction(), 0, rows, j * width, width);
    }
    return Tensor.of(rows, probes.size(), width);
  }

  /// `x [n, width]` without its part in the span of orthonormal rows.
  private static Tensor off(Tensor x, Tensor basis) {
    return x.sub(x.matmul(basis.transpose(0, 1)).matmul(basis));
  }

  /// The probe that says of a vector what `fitted` says of the projected one.
  private static LogisticFit.Fitted orthogonal(LogisticFit.Fitted fitted, Tensor basis) {
    LogisticProbe probe = fitted.probe();
    double[] direction = probe.direction();
    double[] projected =
        off(off(Tensor.of(direction, 1, direction.length), basis), basis).toDoubles();
    double length = 0;
    for (int i = 0; i < projected.length; i++) {
      projected[i] *= probe.scale();
      length += projected[i] * projected[i];
    }
    boolean vanished = Math.sqrt(length) <= 1e-9 * probe.scale();
    return new LogisticFit.Fitted(
        LogisticProbe.ofWeights(
            vanished ? new double[projected.length] : projected, probe.intercept()),
        fitted.iterations(),
        fitted.gradient(),
        fitted.converged());
  }
}
