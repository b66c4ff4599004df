package dev.fathom.explain.attribute;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/// LIME: a linear model of a [Coalition] that is right near the whole set (Ribeiro et al. 2016).
///
/// @param values one coefficient a player
/// @param errors their standard errors, from the residuals
/// @param fit weighted R²: the share of the game's variance that the linear model explains
record LocalSurrogate(double[] values, double[] errors, double fit) {
  /// As the authors' code draws: how many players leave is uniform from 1 to all, and then who.
  static LocalSurrogate of(Coalition game, AttributionMethod.Lime method) {
    int n = game.players();
    var random = new Random(method.seed());
    var sets = new ArrayList<boolean[]>();
    sets.add(Coalition.all(n));
    List<Integer> players = new ArrayList<>(IntStream.range(0, n).boxed().toList());
    while (sets.size() < method.samples()) {
      boolean[] set = Coalition.all(n);
      Collections.shuffle(players, random);
      for (int i : players.subList(0, 1 + random.nextInt(n))) {
        set[i] = false;
      }
      sets.add(set);
    }
    return fitted(sets, game.values(sets), method.width(), method.ridge());
  }

  /// Minimises `Σ_s w_s (v_s − c − z_s · β)² + ridge ‖β‖²`; the intercept c is free.
  static LocalSurrogate fitted(List<boolean[]> sets, double[] v, double width, double ridge) {
    int n = sets.getFirst().length;
    double[] weights = new double[sets.size()];
    double[] mean = new double[n];
    double meanValue = 0;
    double total = 0;
    for (int s = 0; s < weights.length; s++) {
      int size = 0;
      for (boolean in : sets.get(s)) {
        size += in ? 1 : 0;
      }
      double distance = 1 - Math.sqrt((double) size / n);
      weights[s] = Math.exp(-distance * distance / (width * width));
      total += weights[s];
    }
    for (int s = 0; s < weights.length; s++) {
      meanValue += weights[s] * v[s] / total;
      for (int i = 0; i < n; i++) {
        mean[i] += sets.get(s)[i] ? weights[s] / total : 0;
      }
    }
    double[][] a = new double[n][n];
    double[] b = new double[n];
    for (int s = 0; s < weights.length; s++) {
      double[] z = centred(sets.get(s), mean);
      for (int i = 0; i < n; i++) {
        b[i] += weights[s] * z[i] * (v[s] - meanValue);
        for (int j = 0; j < n; j++) {
          a[i][j] += weights[s] * z[i] * z[j];
        }
      }
    }
    for (int i = 0; i < n; i++) {
      a[i][i] += ridge;
    }
    double[][] inverse = LeastSquares.inverse(a);
    double[] values = LeastSquares.times(inverse, b);
    double left = 0;
    double there = 0;
    double[] squares = new double[n];
    for (int s = 0; s < weights.length; s++) {
      double[] z = centred(sets.get(s), mean);
      double residual = v[s] - meanValue;
      there += weights[s] * residual * residual;
      for (int i = 0; i < n; i++) {
        residual -= z[i] * values[i];
      }
      left += weights[s] * residual * residual;
      double pull = weights[s] * residual;
      double[] moved = LeastSquares.times(inverse, z);
      for (int i = 0; i < n; i++) {
        squares[i] += pull * pull * moved[i] * moved[i];
      }
    }
    double[] errors = new double[n];
    Arrays.setAll(errors, i -> Math.sqrt(squares[i]));
    return new LocalSurrogate(values, errors, there == 0 ? 1 : 1 - left / there);
  }

  private static double[] centred(boolean[] set, double[] mean) {
    double[] z = new double[set.length];
    Arrays.setAll(z, i -> (set[i] ? 1 : 0) - mean[i]);
    return z;
  }
}
