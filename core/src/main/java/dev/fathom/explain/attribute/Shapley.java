package dev.fathom.explain.attribute;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Shapley values of a [Coalition]: the only division of `v(all) − v(none)` among the players that
/// gives equal ones the same, idle ones nothing, and adds up over games (Shapley 1953).
final class Shapley {
  private Shapley() {}

  /// @param values one a player; they sum to `all − none`
  /// @param errors standard errors; null if every set was asked
  record Values(double[] values, double @Nullable [] errors, double none, double all) {}

  /// `φ_i = Σ_{S ∌ i} |S|! (n − |S| − 1)! / n! · (v(S ∪ i) − v(S))`, over all `2ⁿ` sets.
  static Values exact(Coalition game) {
    int n = game.players();
    if (n > 20) {
      throw new IllegalArgumentException("2^%d sets are too many to ask each".formatted(n));
    }
    var sets = new ArrayList<boolean[]>();
    for (int bits = 0; bits < 1 << n; bits++) {
      boolean[] set = new boolean[n];
      for (int i = 0; i < n; i++) {
        set[i] = (bits >> i & 1) == 1;
      }
      sets.add(set);
    }
    double[] v = game.values(sets);
    double[] weight = new double[n]; // of a set of this size that a player joins
    weight[0] = 1.0 / n;
    for (int size = 1; size < n; size++) {
      weight[size] = weight[size - 1] * size / (n - size);
    }
    double[] values = new double[n];
    for (int bits = 0; bits < 1 << n; bits++) {
      for (int i = 0; i < n; i++) {
        if ((bits >> i & 1) == 0) {
          values[i] += weight[Integer.bitCount(bits)] * (v[bits | 1 << i] - v[bits]);
        }
      }
    }
    return new Values(values, null, v[0], v[v.length - 1]);
  }

  /// KernelSHAP (Lundberg and Lee 2017) as Covert and Lee (2021) estimate it: sets drawn with the
  /// Shapley kernel, each with its complement, and the least-squares fit that satisfies the sum. Up
  /// to [AttributionMethod.Shap#MOST_EXACT] players: exact.
  static Values kernel(Coalition game, int samples, long seed) {
    int n = game.players();
    return n <= AttributionMethod.Shap.MOST_EXACT ? exact(game) : regression(game, samples, seed);
  }

  /// The regression, whatever the number of players (at least 2).
  static Values regression(Coalition game, int samples, long seed) {
    int n = game.players();
    var random = new Random(seed);
    double[] upTo = new double[n]; // of sizes 1 to n − 1
    for (int size = 1; size < n; size++) {
      upTo[size] = upTo[size - 1] + 1.0 / (size * (n - size));
    }
    var sets = new ArrayList<boolean[]>();
    int pairs = Math.max(2, samples / 2);
    List<Integer> players = new ArrayList<>(IntStream.range(0, n).boxed().toList());
    for (int p = 0; p < pairs; p++) {
      double drawn = random.nextDouble() * upTo[n - 1];
      int size = 1;
      while (size < n - 1 && upTo[size] < drawn) {
        size++;
      }
      Collections.shuffle(players, random);
      boolean[] set = new boolean[n];
      boolean[] others = Coalition.all(n);
      for (int i : players.subList(0, size)) {
        set[i] = true;
        others[i] = false;
      }
      sets.add(set);
      sets.add(others);
    }
    sets.add(new boolean[n]);
    sets.add(Coalition.all(n));
    double[] v = game.values(sets);
    double none = v[2 * pairs];
    double all = v[2 * pairs + 1];
    double[][] a = new double[n][n];
    double[] b = new double[n];
    for (int s = 0; s < 2 * pairs; s++) {
      boolean[] set = sets.get(s);
      for (int i = 0; i < n; i++) {
        if (set[i]) {
          b[i] += (v[s] - none) / (2 * pairs);
          for (int j = 0; j < n; j++) {
            a[i][j] += set[j] ? 0.5 / pairs : 0;
          }
        }
      }
    }
    double[][] inverse = LeastSquares.inverse(a);
    double[] rows = new double[n]; // A⁻¹ 1
    Arrays.setAll(rows, i -> LeastSquares.sum(inverse[i]));
    double total = LeastSquares.sum(rows);
    double[] free = LeastSquares.times(inverse, b);
    double excess = (LeastSquares.sum(free) - (all - none)) / total;
    double[] values = new double[n];
    Arrays.setAll(values, i -> free[i] - rows[i] * excess);
    double[][] projected = new double[n][n]; // how the values move with b
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        projected[i][j] = inverse[i][j] - rows[i] * rows[j] / total;
      }
    }
    double[] squares = new double[n];
    for (int p = 0; p < pairs; p++) {
      double[] pull = new double[n];
      for (int s = 2 * p; s < 2 * p + 2; s++) {
        double residual = v[s] - none;
        for (int i = 0; i < n; i++) {
          residual -= sets.get(s)[i] ? values[i] : 0;
        }
        for (int i = 0; i < n; i++) {
          pull[i] += sets.get(s)[i] ? residual / 2 : 0;
        }
      }
      double[] moved = LeastSquares.times(projected, pull);
      for (int i = 0; i < n; i++) {
        squares[i] += moved[i] * moved[i];
      }
    }
    double[] errors = new double[n];
    Arrays.setAll(errors, i -> Math.sqrt(squares[i]) / pairs);
    return new Values(values, errors, none, all);
  }

  /// Means of marginal contributions over random orders, each with its reverse (Castro et al. 2009;
  /// Mitchell et al. 2022). Every order alone sums to `v(all) − v(none)`.
  static Values orders(Coalition game, int orders, long seed) {
    int n = game.players();
    int pairs = Math.max(2, orders / 2);
    var random = new Random(seed);
    var sets = new ArrayList<boolean[]>();
    var drawn = new ArrayList<List<Integer>>();
    List<Integer> players = new ArrayList<>(IntStream.range(0, n).boxed().toList());
    for (int p = 0; p < pairs; p++) {
      Collections.shuffle(players, random);
      drawn.add(List.copyOf(players));
      drawn.add(List.copyOf(players).reversed());
    }
    for (List<Integer> order : drawn) {
      boolean[] set = new boolean[n];
      sets.add(set.clone());
      for (int i : order) {
        set[i] = true;
        sets.add(set.clone());
      }
    }
    double[] v = game.values(sets);
    double[] sum = new double[n];
    double[] squares = new double[n];
    for (int p = 0; p < pairs; p++) {
      double[] mean = new double[n];
      for (int o = 2 * p; o < 2 * p + 2; o++) {
        for (int k = 0; k < n; k++) {
          int at = o * (n + 1) + k;
          mean[drawn.get(o).get(k)] += (v[at + 1] - v[at]) / 2;
        }
      }
      for (int i = 0; i < n; i++) {
        sum[i] += mean[i];
        squares[i] += mean[i] * mean[i];
      }
    }
    double[] errors = new double[n];
    for (int i = 0; i < n; i++) {
      sum[i] /= pairs;
      errors[i] = Math.sqrt(Math.max(0, squares[i] / pairs - sum[i] * sum[i]) / (pairs - 1));
    }
    return new Values(sum, errors, v[0], v[n]);
  }
}
