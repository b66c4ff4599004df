package dev.fathom.concepts;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.stream.IntStream;

/// How spread out some directions are, in the space they come from: what a map's empty room cannot
/// say.
///
/// It stays the same when all directions are turned together.
///
/// @param meanCosine of all pairs, −1 to 1: 0 at right angles
/// @param effectiveRank `exp(−Σ p ln p)` with p the shares of squared singular values: in how many
///   directions they lie, 1 to their number (Roy and Vetterli 2007)
/// @param isotropy the first of these shares, 1 over the rank to 1
public record Dispersion(double meanCosine, double effectiveRank, double isotropy) {
  /// Of some directions, each scaled to length 1.
  ///
  /// @param rows `[m, d]`, at least two, none of zeros
  public static Dispersion of(Tensor rows) {
    long m = rows.size(0);
    if (m < 2) {
      throw new IllegalArgumentException("dispersion takes at least 2 directions, found " + m);
    }
    try (var scope = Scope.withoutGradients()) {
      Tensor unit = unit(rows);
      double sum = unit.sum(0, false).square().sum().item(); // of all products
      double[] squares = gram(unit).eigen().values().toDoubles();
      double all = Arrays.stream(squares).filter(x -> x > 0).sum();
      double entropy =
          -Arrays.stream(squares)
              .filter(x -> x > 0)
              .map(x -> x / all)
              .map(p -> p * Math.log(p))
              .sum();
      return new Dispersion(
          (sum - m) / ((double) m * (m - 1)), Math.exp(entropy), squares[squares.length - 1] / all);
    }
  }

  private static Tensor unit(Tensor rows) {
    Tensor wide = rows.to(DType.F64);
    return wide.div(wide.square().sum(1, true).sqrt());
  }

  /// The smaller of both products.
  private static Tensor gram(Tensor rows) {
    Tensor transposed = rows.transpose(0, 1);
    return rows.size(0) < rows.size(1) ? rows.matmul(transposed) : transposed.matmul(rows);
  }

  /// The silhouette of each direction by cosine distance (Rousseeuw 1987): 1 where its group is far
  /// from all others, 0 where groups overlap, negative where it is nearer to another group. Members
  /// of groups of one count 0.
  ///
  /// @param groups of each direction, numbered from 0, at least two
  public static double[] silhouettes(Tensor rows, int[] groups) {
    int m = groups.length;
    int count = Arrays.stream(groups).max().orElse(-1) + 1;
    if (m != rows.size(0) || count < 2) {
      throw new IllegalArgumentException(
          "a silhouette takes a group of each of %d directions and at least 2 groups, found %d and %d"
              .formatted(rows.size(0), m, count));
    }
    long[] sizes = new long[count];
    Arrays.stream(groups).forEach(group -> sizes[group]++);
    try (var scope = Scope.withoutGradients()) {
      Tensor unit = unit(rows);
      double[] member = new double[m * count];
      IntStream.range(0, m).forEach(i -> member[i * count + groups[i]] = 1);
      Tensor sums = unit.matmul(unit.transpose(0, 1).matmul(Tensor.of(member, m, count)));
      double[] products = sums.toDoubles(); // of each with all of each group
      double[] found = new double[m];
      for (int i = 0; i < m; i++) {
        int own = groups[i];
        if (sizes[own] > 1) {
          double within = 1 - (products[i * count + own] - 1) / (sizes[own] - 1);
          double nearest = Double.POSITIVE_INFINITY;
          for (int other = 0; other < count; other++) {
            if (other != own && sizes[other] > 0) {
              nearest = Math.min(nearest, 1 - products[i * count + other] / sizes[other]);
            }
          }
          double larger = Math.max(within, nearest);
          found[i] = larger == 0 ? 0 : (nearest - within) / larger;
        }
      }
      return found;
    }
  }

  /// Linear centred kernel alignment of two models' directions of the same concepts (Kornblith et
  /// al. 2019): 1 where one is the other turned and scaled, near 0 where they have nothing in
  /// common.
  ///
  /// @param one `[m, d]`
  /// @param other `[m, e]`
  public static double similarity(Tensor one, Tensor other) {
    requireSame(one, other);
    try (var scope = Scope.withoutGradients()) {
      Tensor x = centred(one);
      Tensor y = centred(other);
      Tensor ofOne = gram(x);
      Tensor ofOther = gram(y);
      boolean few = x.size(0) < Math.min(x.size(1), y.size(1)); // then both are [m, m]
      Tensor cross = few ? ofOne.mul(ofOther) : y.transpose(0, 1).matmul(x).square();
      return cross.sum().item()
          / Math.sqrt(ofOne.square().sum().item() * ofOther.square().sum().item());
    }
  }

  private static Tensor centred(Tensor rows) {
    Tensor wide = rows.to(DType.F64);
    return wide.sub(wide.mean(0, true));
  }

  private static void requireSame(Tensor one, Tensor other) {
    if (one.size(0) != other.size(0) || one.size(0) < 2) {
      throw new IllegalArgumentException(
          "two sets of directions are compared concept by concept, at least 2; found %d and %d"
              .formatted(one.size(0), other.size(0)));
    }
  }
}
