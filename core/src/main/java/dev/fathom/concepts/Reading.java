package dev.fathom.concepts;

import dev.fathom.align.probe.LogisticFit;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/// How one direction is read from activations with a concept (h⁺) and without it (h⁻), paired row
/// by row (representation reading: Zou et al. 2023; Luo et al. 2024).
///
/// Pairs in which the concept always comes first hide it from an ordinary principal component: to
/// centre the differences takes out exactly what they share. So [#PCA] turns each pair round at
/// random, and [#PCA_UNCENTRED] does not centre.
public enum Reading {
  /// The first principal component of the differences, each turned round or not by a coin.
  PCA,
  /// The first right singular vector of the differences, not centred: what [#PCA] tends to with
  /// many coins. For few pairs.
  PCA_UNCENTRED,
  /// The mean difference.
  MEAN_DIFFERENCE,
  /// The weights of a logistic regression.
  PROBE,
  /// Drawn at random: the control.
  RANDOM;

  /// What was read.
  ///
  /// @param direction of length 1, towards the concept; zeros where both sides are the same, not
  ///   copied
  /// @param explained the share of the differences' squared length along the direction, 0 to 1
  /// @param pairs that were read
  @SuppressWarnings("ArrayRecordComponent")
  public record Read(double[] direction, double explained, int pairs) {}

  /// Reads.
  ///
  /// @param with h⁺ `[n, d]`
  /// @param without h⁻ `[n, d]`
  /// @param seed of what is drawn
  public Read of(Tensor with, Tensor without, long seed) {
    if (with.size(0) < 1 || with.size(0) != without.size(0) || with.size(1) != without.size(1)) {
      throw new IllegalArgumentException(
          "a direction is read from as many activations with a concept as without it, at least one;"
              + " found %s and %s"
                  .formatted(Arrays.toString(with.shape()), Arrays.toString(without.shape())));
    }
    try (var scope = Scope.withoutGradients()) {
      Tensor plus = with.to(DType.F64);
      Tensor minus = without.to(DType.F64);
      Tensor differences = plus.sub(minus);
      double[] raw =
          switch (this) {
            case MEAN_DIFFERENCE -> differences.mean(0, false).toDoubles();
            case PCA_UNCENTRED -> leading(differences);
            case PCA -> {
              Tensor turned = differences.mul(coins(differences.size(0), seed));
              yield leading(turned.sub(turned.mean(0, true)));
            }
            case PROBE -> probe(plus, minus);
            case RANDOM -> drawn(differences.size(1), seed);
          };
      double[] unit = unit(raw);
      Tensor along = differences.matmul(Tensor.of(unit, unit.length, 1));
      boolean away = this != RANDOM && along.sum().item() < 0;
      double all = differences.square().sum().item();
      double explained = all == 0 ? 0 : along.square().sum().item() / all;
      return new Read(away ? turned(unit) : unit, explained, Math.toIntExact(with.size(0)));
    }
  }

  /// The first right singular vector, by the smaller of both products.
  private static double[] leading(Tensor rows) {
    boolean few = rows.size(0) < rows.size(1);
    Tensor transposed = rows.transpose(0, 1);
    Tensor vectors = (few ? rows.matmul(transposed) : transposed.matmul(rows)).eigen().vectors();
    Tensor last = vectors.narrow(1, vectors.size(1) - 1, 1); // ascending
    return (few ? transposed.matmul(last) : last).toDoubles();
  }

  /// 1 or −1, `[n, 1]`.
  private static Tensor coins(long n, long seed) {
    var random = new Random(seed);
    double[] coins = new double[Math.toIntExact(n)];
    Arrays.setAll(coins, _ -> random.nextBoolean() ? 1 : -1);
    return Tensor.of(coins, n, 1);
  }

  /// Probe weights in the space of the activations.
  private static double[] probe(Tensor plus, Tensor minus) {
    int n = Math.toIntExact(plus.size(0));
    boolean[] positive = new boolean[2 * n];
    Arrays.fill(positive, 0, n, true);
    return LogisticFit.of(
            Tensor.cat(List.of(plus, minus), 0), positive, LogisticFit.Config.standard())
        .probe()
        .direction();
  }

  private static double[] drawn(long width, long seed) {
    var random = new Random(seed);
    double[] direction = new double[Math.toIntExact(width)];
    Arrays.setAll(direction, _ -> random.nextGaussian());
    return direction;
  }

  private static double[] unit(double[] x) {
    double length = Math.sqrt(Arrays.stream(x).map(v -> v * v).sum());
    return Arrays.stream(x).map(v -> length == 0 ? 0 : v / length).toArray();
  }

  private static double[] turned(double[] x) {
    return Arrays.stream(x).map(v -> -v).toArray();
  }
}
