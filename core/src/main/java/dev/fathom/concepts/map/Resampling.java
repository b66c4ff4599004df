package dev.fathom.concepts.map;

import dev.fathom.concepts.Dispersion;
import dev.fathom.evaluate.bias.Estimate;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/// How much numbers about many concepts depend on which concepts there happen to be: concepts are
/// drawn anew, with putting back (Efron 1979), as weights, how often each was drawn.
///
/// A draw has some concepts twice, and whoever compared these with themselves would see too many
/// neighbours and too few directions. So pairs of a concept with itself do not count, neighbours
/// and silhouettes are those among all concepts, singular values change to first order (`λ_a = Σ
/// w_i (v_i · u_a)²` along the directions u_a of all), and an interval is the middle 95 % of the
/// draws around their mean, laid around the number itself.
///
/// In some draws a number is not defined: of one concept drawn over and over there are no pairs.
/// Such a draw is NaN or infinite, and counts in no interval.
///
/// @param weights `[draws][m]`, not copied
@SuppressWarnings("ArrayRecordComponent")
record Resampling(double[][] weights) {
  private static final int BLOCK = 512;

  /// A scatter of each concept below it is none.
  private static final double ROUNDING = 1e-12;

  static Resampling of(int concepts, int draws, long seed) {
    var random = new Random(seed);
    double[][] weights = new double[draws][concepts];
    for (double[] own : weights) {
      for (int i = 0; i < concepts; i++) {
        own[random.nextInt(concepts)]++;
      }
    }
    return new Resampling(weights);
  }

  /// A number and what it is in each draw.
  ///
  /// @param draws one for each draw of the resampling, not finite where the number is not defined
  /// @param low the least that it can be
  /// @param high the greatest
  @SuppressWarnings("ArrayRecordComponent")
  record Sampled(double value, double[] draws, double low, double high) {
    Estimate estimate() {
      double[] defined = Arrays.stream(draws).filter(Double::isFinite).toArray();
      double mean = Arrays.stream(defined).average().orElse(Double.NaN);
      return Estimate.of(
          value,
          Arrays.stream(defined).map(x -> Math.clamp(value + x - mean, low, high)).toArray());
    }

    /// This less another of the same resampling, draw by draw.
    Sampled minus(Sampled other) {
      double[] differences = new double[draws.length];
      Arrays.setAll(differences, b -> draws[b] - other.draws[b]);
      return new Sampled(
          value - other.value, differences, Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY);
    }
  }

  /// The same for some concepts only.
  Resampling only(int[] concepts) {
    return new Resampling(
        Arrays.stream(weights)
            .map(own -> IntStream.of(concepts).mapToDouble(i -> own[i]).toArray())
            .toArray(double[][]::new));
  }

  private Tensor all() {
    return Tensor.ofRows(List.of(weights));
  }

  // ---------------------------------------------------------------- of values

  /// The mean of a value of each concept.
  Sampled mean(double[] each, double low, double high) {
    double[] ones = new double[each.length];
    Arrays.fill(ones, 1);
    return ratio(each, ones, low, high);
  }

  /// The sum of one value over that of another.
  Sampled ratio(double[] upper, double[] lower, double low, double high) {
    double[] draws = new double[weights.length];
    Arrays.setAll(draws, b -> sum(weights[b], upper) / sum(weights[b], lower));
    return new Sampled(Arrays.stream(upper).sum() / Arrays.stream(lower).sum(), draws, low, high);
  }

  private static double sum(double[] weights, double[] values) {
    double sum = 0;
    for (int i = 0; i < values.length; i++) {
      sum += weights[i] * values[i];
    }
    return sum;
  }

  // ---------------------------------------------------------------- of directions

  /// The mean cosine of pairs.
  ///
  /// @param unit F64 of length 1, `[m, d]`
  Sampled meanCosine(Tensor unit) {
    double m = unit.size(0);
    double[] squares; // of the sum of each draw
    try (var scope = Scope.withoutGradients()) {
      squares = all().matmul(unit).square().sum(1, false).toDoubles();
    }
    double[] draws = new double[weights.length];
    for (int b = 0; b < draws.length; b++) {
      double own = sum(weights[b], weights[b]);
      draws[b] = (squares[b] - own) / (m * m - own);
    }
    return new Sampled(Dispersion.of(unit).meanCosine(), draws, -1, 1);
  }

  /// Effective rank and isotropy, as [Dispersion] has them.
  List<Sampled> spectrum(Tensor unit) {
    Dispersion value = Dispersion.of(unit);
    double[][] squares = new double[weights.length][];
    int most;
    try (var scope = Scope.withoutGradients()) {
      Tensor along = squaresAlong(unit);
      List<double[]> rows = all().matmul(along).toRows();
      rows.toArray(squares);
      most = (int) along.sum(0, false).argmax(0).toLongs()[0];
    }
    double[] ranks = new double[squares.length];
    double[] shares = new double[squares.length];
    for (int b = 0; b < squares.length; b++) {
      double all = Arrays.stream(squares[b]).sum();
      double entropy = 0;
      for (double square : squares[b]) {
        double p = square / all;
        entropy -= p > 0 ? p * Math.log(p) : 0;
      }
      ranks[b] = Math.exp(entropy);
      shares[b] = squares[b][most] / all;
    }
    return List.of(
        new Sampled(value.effectiveRank(), ranks, 1, Math.min(unit.size(0), unit.size(1))),
        new Sampled(value.isotropy(), shares, 0, 1));
  }

  /// `(v_i · u_a)²` of each direction v along each right singular vector u, `[m, r]`.
  private static Tensor squaresAlong(Tensor unit) {
    Tensor transposed = unit.transpose(0, 1);
    if (unit.size(0) >= unit.size(1)) {
      return unit.matmul(transposed.matmul(unit).eigen().vectors()).square();
    }
    Tensor.Eigen eigen = unit.matmul(transposed).eigen();
    return eigen.vectors().square().mul(eigen.values().relu().unsqueeze(0));
  }

  /// The scatter between groups over that within them: `Σ n_g ‖μ_g − μ‖² / Σ ‖v_i − μ_{g(i)}‖²`;
  /// NaN where none is within.
  ///
  /// @param groups of each direction, numbered from 0
  Sampled separation(Tensor unit, int[] groups) {
    double[][] ones = new double[weights.length + 1][];
    System.arraycopy(weights, 0, ones, 1, weights.length);
    ones[0] = new double[groups.length]; // the number itself
    Arrays.fill(ones[0], 1);
    int count = Arrays.stream(groups).max().orElseThrow() + 1;
    double[] grouped = new double[ones.length]; // Σ ‖sum of a group‖² / its size
    double[] together;
    try (var scope = Scope.withoutGradients()) {
      Tensor all = Tensor.ofRows(List.of(ones));
      for (int g = 0; g < count; g++) {
        int group = g;
        long[] members =
            IntStream.range(0, groups.length)
                .filter(i -> groups[i] == group)
                .mapToLong(i -> i)
                .toArray();
        Tensor own = all.indexSelect(1, members);
        double[] squares =
            own.matmul(unit.indexSelect(0, members)).square().sum(1, false).toDoubles();
        double[] sizes = own.sum(1, false).toDoubles();
        for (int b = 0; b < grouped.length; b++) {
          grouped[b] += sizes[b] == 0 ? 0 : squares[b] / sizes[b];
        }
      }
      together = all.matmul(unit).square().sum(1, false).toDoubles();
    }
    double[] found = new double[ones.length];
    for (int b = 0; b < found.length; b++) {
      double size = Arrays.stream(ones[b]).sum();
      double within = size - grouped[b];
      boolean some = within > ROUNDING * size;
      found[b] = some ? (grouped[b] - together[b] / size) / within : Double.NaN;
    }
    return new Sampled(
        found[0], Arrays.copyOfRange(found, 1, found.length), 0, Double.POSITIVE_INFINITY);
  }

  /// Linear centred kernel alignment, as [Dispersion#similarity] has it; both sets stay centred as
  /// a whole.
  Sampled similarity(Tensor one, Tensor other) {
    int m = Math.toIntExact(one.size(0));
    double[][] sums = new double[3][weights.length]; // of x·y, x·x and y·y
    try (var scope = Scope.withoutGradients()) {
      Tensor all = all();
      Tensor x = one.sub(one.mean(0, true));
      Tensor y = other.sub(other.mean(0, true));
      for (int from = 0; from < m; from += BLOCK) {
        try (var inner = Scope.withoutGradients()) {
          int rows = Math.min(BLOCK, m - from);
          Tensor ofX = x.narrow(0, from, rows).matmul(x.transpose(0, 1));
          Tensor ofY = y.narrow(0, from, rows).matmul(y.transpose(0, 1));
          Tensor own = all.narrow(1, from, rows);
          List<Tensor> products = List.of(ofX.mul(ofY), ofX.square(), ofY.square());
          for (int which = 0; which < 3; which++) {
            add(sums[which], products.get(which), own, all, from);
          }
        }
      }
    }
    double[] draws = new double[weights.length];
    Arrays.setAll(draws, b -> sums[0][b] / Math.sqrt(sums[1][b] * sums[2][b]));
    return new Sampled(Dispersion.similarity(one, other), draws, 0, 1);
  }

  /// Adds `Σ_ij w_i w_j P_ij` of some rows of P, where `w_i P_ii` stands for a concept with itself.
  private static void add(double[] sums, Tensor rows, Tensor own, Tensor all, int from) {
    double[] pairs = own.matmul(rows).mul(all).sum(1, false).toDoubles();
    Tensor itself = diagonal(rows, from); // [rows, 1]
    double[] twice = own.square().sub(own).matmul(itself).toDoubles();
    for (int b = 0; b < sums.length; b++) {
      sums[b] += pairs[b] - twice[b];
    }
  }

  private static Tensor diagonal(Tensor rows, int from) {
    long count = rows.size(0);
    return rows.narrow(1, from, count).mul(Tensor.identity(count)).sum(1, true);
  }
}
