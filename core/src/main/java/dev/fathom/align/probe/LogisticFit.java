package dev.fathom.align.probe;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Trains probes: logistic regression on standardised features with an L2 penalty, in double
/// precision, to its one optimum:
///
///     min over w, b:  C · Σ_i ln(1 + exp(−y_i (w·z_i + b))) + ½ |w|²
///     z = (x − mean) / deviation,  y = 1 or −1
///
/// by L-BFGS, started at the base rate and preconditioned with the curvature there (up to a width
/// of 2048). The intercept is not penalised. What was learnt is mapped back to the space of x
/// ([LogisticProbe]). Features without variance get no weight.
///
/// Several labellings of the same vectors, such as a true one and shuffled ones, are learnt
/// together at little more than the cost of one: the products that dominate read the vectors once.
public final class LogisticFit {
  /// Wider features are not preconditioned: the matrix would cost more than it saves.
  private static final int WIDEST_MATRIX = 2048;

  /// Columns that vary less than this share of their size are constant but for the rounding of F32.
  private static final double CONSTANT = 1e-6;

  private LogisticFit() {}

  /// How a probe is trained.
  ///
  /// @param c strength of the data against the penalty: less is more regular
  /// @param iterations at most
  /// @param tolerance the largest entry of the gradient of the mean loss at the end
  public record Config(double c, int iterations, double tolerance) {
    public Config {
      if (!(c > 0) || Double.isInfinite(c) || iterations < 1 || !(tolerance > 0)) {
        throw new IllegalArgumentException(
            "C and the tolerance must be positive and there must be an iteration, found %s, %s and %d"
                .formatted(c, tolerance, iterations));
      }
    }

    /// C = 1, at most 200 iterations, to 1e-6.
    public static Config standard() {
      return new Config(1, 200, 1e-6);
    }

    public Config withC(double c) {
      return new Config(c, iterations, tolerance);
    }
  }

  /// A probe and how its training ended.
  ///
  /// @param gradient largest entry of the gradient at the end
  /// @param converged whether that is within the tolerance
  public record Fitted(LogisticProbe probe, int iterations, double gradient, boolean converged) {}

  /// The probe of a labelling.
  ///
  /// @param x `[n, width]`
  /// @param positive of each row
  /// @throws IllegalArgumentException if all labels are the same, or x is not all numbers
  public static Fitted of(Tensor x, boolean[] positive, Config config) {
    return of(x, List.of(positive), config).getFirst();
  }

  /// The probes of several labellings of the same vectors.
  public static List<Fitted> of(Tensor x, List<boolean[]> labellings, Config config) {
    try (var scope = Scope.withoutGradients()) {
      return of(Standardised.of(x.to(DType.F64)), labellings, config, null);
    }
  }

  /// The same from any starting point in the standardised space, for tests.
  static Fitted of(Tensor x, boolean[] positive, Config config, double[] start) {
    try (var scope = Scope.withoutGradients()) {
      return of(Standardised.of(x.to(DType.F64)), List.of(positive), config, start).getFirst();
    }
  }

  /// Vectors with mean 0 and deviation 1 in each column.
  ///
  /// @param z F64 `[n, width]`; constant columns are 0
  /// @param means of the columns
  /// @param factors one over the deviations, 0 for constant columns
  record Standardised(Tensor z, double[] means, double[] factors) {
    /// @param x F64
    static Standardised of(Tensor x) {
      double[] sizes = x.norm(0, false).div(Math.sqrt(x.size(0))).toDoubles();
      return of(x, Arrays.stream(sizes).map(size -> CONSTANT * size).toArray());
    }

    /// @param x F64
    /// @param least deviations, below which a column counts as constant
    static Standardised of(Tensor x, double[] least) {
      Tensor mean = x.mean(0, true);
      Tensor centred = x.sub(mean);
      double[] deviations = centred.norm(0, false).div(Math.sqrt(x.size(0))).toDoubles();
      double[] factors = new double[deviations.length];
      for (int j = 0; j < factors.length; j++) {
        if (!Double.isFinite(deviations[j])) {
          throw new IllegalArgumentException(
              "column %d of the features is not all numbers: the model's activations overflow"
                  .formatted(j));
        }
        factors[j] = deviations[j] > least[j] ? 1 / deviations[j] : 0;
      }
      Tensor z = centred.mulInPlace(Tensor.of(factors, 1, factors.length));
      return new Standardised(z, mean.toDoubles(), factors);
    }

    /// Deviations below which a column is left alone once something was projected out of it: the
    /// rest is rounding.
    double[] least(double share) {
      return Arrays.stream(factors)
          .map(factor -> factor == 0 ? Double.POSITIVE_INFINITY : share / factor)
          .toArray();
    }

    int rows() {
      return (int) z.size(0);
    }

    int width() {
      return factors.length;
    }

    /// The probe of weights on z, the last entry being the intercept.
    LogisticProbe raw(double[] weights) {
      double[] raw = new double[width()];
      double intercept = weights[raw.length];
      for (int j = 0; j < raw.length; j++) {
        raw[j] = weights[j] * factors[j];
        intercept -= raw[j] * means[j];
      }
      return LogisticProbe.ofWeights(raw, intercept);
    }
  }

  static List<Fitted> of(
      Standardised data, List<boolean[]> labellings, Config config, double @Nullable [] start) {
    int n = data.rows();
    double penalty = 1 / (config.c * n);
    double curvature = 0;
    for (boolean[] positive : labellings) {
      double share = share(positive, n);
      curvature += share * (1 - share) / labellings.size();
    }
    UnaryOperator<double[]> inverse = inverse(data, curvature, penalty);
    var problems = new ArrayList<Lbfgs>();
    for (boolean[] positive : labellings) {
      double[] from = start == null ? new double[data.width() + 1] : start;
      if (start == null) {
        double share = share(positive, n);
        from[data.width()] = Math.log(share / (1 - share));
      }
      problems.add(new Lbfgs(from, inverse, config.tolerance, config.iterations));
    }
    Tensor targets = targets(labellings, n);
    for (List<Integer> open = open(problems); !open.isEmpty(); open = open(problems)) {
      try (var scope = Scope.open()) {
        evaluate(data.z, targets, penalty, problems, open);
      }
    }
    return problems.stream()
        .map(problem ->
            new Fitted(
                data.raw(problem.point()),
                problem.iterations(),
                problem.steepness(),
                problem.converged()))
        .toList();
  }

  private static double share(boolean[] positive, int n) {
    if (positive.length != n) {
      throw new IllegalArgumentException("%d labels for %d vectors".formatted(positive.length, n));
    }
    int count = count(positive);
    if (count == 0 || count == n) {
      throw new IllegalArgumentException(
          "all %d labels are the same: a probe needs examples of both classes".formatted(n));
    }
    return (double) count / n;
  }

  static int count(boolean[] positive) {
    int count = 0;
    for (boolean each : positive) {
      count += each ? 1 : 0;
    }
    return count;
  }

  /// 0 and 1, F64 `[labellings, n]`.
  private static Tensor targets(List<boolean[]> labellings, int n) {
    double[] targets = new double[Math.multiplyExact(labellings.size(), n)];
    for (int k = 0; k < labellings.size(); k++) {
      for (int i = 0; i < n; i++) {
        targets[k * n + i] = labellings.get(k)[i] ? 1 : 0;
      }
    }
    return Tensor.of(targets, labellings.size(), n);
  }

  private static List<Integer> open(List<Lbfgs> problems) {
    return IntStream.range(0, problems.size())
        .filter(k -> !problems.get(k).done())
        .boxed()
        .toList();
  }

  /// Multiplies by about the inverse of the second derivatives at the start: `(curvature ZᵀZ / n +
  /// penalty)⁻¹` for the weights, `1 / curvature` for the intercept.
  private static UnaryOperator<double[]> inverse(
      Standardised data, double curvature, double penalty) {
    int width = data.width();
    if (width > WIDEST_MATRIX) {
      return vector -> {
        double[] result = vector.clone();
        result[width] /= curvature;
        return result;
      };
    }
    double ridge = penalty + 1e-10 * curvature;
    Tensor diagonal = Tensor.identity(width).mul(ridge);
    Tensor inverse =
        data.z
            .transpose(0, 1)
            .matmul(data.z)
            .mulInPlace(curvature / data.rows())
            .addInPlace(diagonal)
            .cholesky()
            .choleskyInverse();
    return vector -> {
      try (var scope = Scope.open()) {
        double[] product =
            inverse.matmul(Tensor.of(Arrays.copyOf(vector, width), width)).toDoubles();
        double[] result = Arrays.copyOf(product, width + 1);
        result[width] = vector[width] / curvature;
        return result;
      }
    };
  }

  /// Mean loss and its gradient at the points of the open problems, all at once.
  private static void evaluate(
      Tensor z, Tensor targets, double penalty, List<Lbfgs> problems, List<Integer> open) {
    int width = (int) z.size(1);
    double n = z.size(0);
    double[] weights = new double[open.size() * width];
    double[] intercepts = new double[open.size()];
    for (int k = 0; k < open.size(); k++) {
      double[] point = problems.get(open.get(k)).point();
      System.arraycopy(point, 0, weights, k * width, width);
      intercepts[k] = point[width];
    }
    Tensor w = Tensor.of(weights, open.size(), width);
    Tensor t = targets.indexSelect(0, open.stream().mapToLong(Integer::longValue).toArray());
    Tensor logits = // [open, n]
        products(w, z.transpose(0, 1)).add(Tensor.of(intercepts, intercepts.length, 1));
    // ln(1 + exp(v)) − t v, without overflow
    Tensor losses =
        logits.relu().sub(logits.mul(t)).add(logits.abs().neg().expInPlace().add(1).log());
    Tensor residuals = logits.sigmoid().sub(t);
    double[] values = losses.sum(1, false).toDoubles();
    double[] gradients = products(residuals, z).toDoubles(); // [open, width]
    double[] ofIntercepts = residuals.sum(1, false).toDoubles();
    for (int k = 0; k < open.size(); k++) {
      Lbfgs problem = problems.get(open.get(k));
      double[] point = problem.point();
      double[] gradient = new double[width + 1];
      double squares = 0;
      for (int j = 0; j < width; j++) {
        gradient[j] = gradients[k * width + j] / n + penalty * point[j];
        squares += point[j] * point[j];
      }
      gradient[width] = ofIntercepts[k] / n;
      problem.tell(values[k] / n + penalty / 2 * squares, gradient);
    }
  }

  /// `a b`; a single row as a vector, for which there is a faster product.
  private static Tensor products(Tensor a, Tensor b) {
    return a.size(0) == 1 ? b.transpose(0, 1).matmul(a.squeeze(0)).unsqueeze(0) : a.matmul(b);
  }
}
