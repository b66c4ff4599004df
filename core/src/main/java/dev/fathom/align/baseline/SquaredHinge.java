package dev.fathom.align.baseline;

import dev.fathom.align.probe.Lbfgs;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/// Linear support vector machines with a squared hinge and no intercept, to their one optimum, in
/// double precision:
///
///     min over w:   ½ |w|² + C · Σ_i max(0, 1 − y_i w·x_i)²
///
/// by L-BFGS, preconditioned with the curvature at 0, where every example counts. Vectors are taken
/// as they are, neither centred nor standardised. Several labellings of the same vectors are learnt
/// together.
final class SquaredHinge {
  /// Wider vectors are not preconditioned: the matrix would cost more than it saves.
  private static final int WIDEST_MATRIX = 2048;

  private static final int MOST_ITERATIONS = 500;

  /// The largest entry of the gradient at the end, as a share of that at 0.
  private static final double TOLERANCE = 1e-6;

  private SquaredHinge() {}

  /// The weights of each labelling, F64 `[labellings, width]`.
  ///
  /// @param x F64 `[n, width]`
  static Tensor of(Tensor x, List<boolean[]> labellings, double c) {
    try (var scope = Scope.withoutGradients()) {
      int width = (int) x.size(1);
      Tensor signs = signs(labellings, (int) x.size(0)); // [labellings, n]
      double n = x.size(0);
      double share = 1 / (2 * c * n); // the function is divided by 2 C n
      UnaryOperator<double[]> inverse = inverse(x, share);
      double[] steepest = signs.matmul(x).abs().max(1, false).div(n).toDoubles();
      List<Lbfgs> problems =
          IntStream.range(0, labellings.size())
              .mapToObj(k ->
                  new Lbfgs(new double[width], inverse, TOLERANCE * steepest[k], MOST_ITERATIONS))
              .toList();
      for (List<Integer> open = open(problems); !open.isEmpty(); open = open(problems)) {
        try (var inner = Scope.open()) {
          evaluate(x, signs, share, problems, open);
        }
      }
      double[] weights = problems.stream().flatMapToDouble(p -> Arrays.stream(p.point())).toArray();
      return scope.escape(Tensor.of(weights, labellings.size(), width));
    }
  }

  private static List<Integer> open(List<Lbfgs> problems) {
    return IntStream.range(0, problems.size())
        .filter(k -> !problems.get(k).done())
        .boxed()
        .toList();
  }

  /// +1 and −1.
  private static Tensor signs(List<boolean[]> labellings, int n) {
    double[] signs = new double[Math.multiplyExact(labellings.size(), n)];
    for (int k = 0; k < labellings.size(); k++) {
      for (int i = 0; i < n; i++) {
        signs[k * n + i] = labellings.get(k)[i] ? 1 : -1;
      }
    }
    return Tensor.of(signs, labellings.size(), n);
  }

  /// Multiplies by the inverse of the second derivatives at 0, `(share I + XᵀX / n)⁻¹`.
  private static UnaryOperator<double[]> inverse(Tensor x, double share) {
    int width = (int) x.size(1);
    if (width > WIDEST_MATRIX) {
      return double[]::clone;
    }
    double n = x.size(0);
    Tensor products = x.transpose(0, 1).matmul(x).div(n);
    double largest = products.abs().max().item();
    Tensor diagonal = Tensor.identity(width).mul(share + 1e-10 * largest);
    Tensor inverse = products.add(diagonal).cholesky().choleskyInverse();
    return vector -> {
      try (var scope = Scope.open()) {
        return inverse.matmul(Tensor.of(vector, width)).toDoubles();
      }
    };
  }

  /// Values and gradients at the points of the open problems, all at once.
  private static void evaluate(
      Tensor x, Tensor signs, double share, List<Lbfgs> problems, List<Integer> open) {
    int width = (int) x.size(1);
    double n = x.size(0);
    var points = new ArrayList<Tensor>();
    for (int k : open) {
      points.add(Tensor.of(problems.get(k).point(), width));
    }
    Tensor w = Tensor.stack(points, 0); // [open, width]
    Tensor y = signs.indexSelect(0, open.stream().mapToLong(Integer::longValue).toArray());
    Tensor missing = w.matmul(x.transpose(0, 1)).mul(y).neg().add(1).relu(); // [open, n]
    double[] losses = missing.square().sum(1, false).div(2 * n).toDoubles();
    double[] sizes = w.square().sum(1, false).mul(share / 2).toDoubles();
    double[] gradients = w.mul(share).sub(missing.mul(y).matmul(x).div(n)).toDoubles();
    for (int k = 0; k < open.size(); k++) {
      problems
          .get(open.get(k))
          .tell(losses[k] + sizes[k], Arrays.copyOfRange(gradients, k * width, (k + 1) * width));
    }
  }
}
