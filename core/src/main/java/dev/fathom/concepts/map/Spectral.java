package dev.fathom.concepts.map;

import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/// Where points of a map begin: the two directions along which a graph varies most slowly, beside
/// the one that does not vary. They are the eigenvectors of `D^(−½) P D^(−½)` with the greatest
/// eigenvalues but one, found by Lanczos' method.
final class Spectral {
  private static final int MOST = 120;
  private static final double LARGEST = 10;
  private static final double NOISE = 1e-4;

  private Spectral() {}

  /// Coordinates within ±10, with a little noise so that no two points are one.
  ///
  /// @return `[n][2]`
  static double[][] start(FuzzyGraph graph, long seed) {
    int n = graph.points();
    double[] root = new double[n]; // of each point's degree
    for (int e = 0; e < graph.weights().length; e++) {
      root[graph.from()[e]] += graph.weights()[e];
      root[graph.to()[e]] += graph.weights()[e];
    }
    Arrays.setAll(root, i -> Math.sqrt(root[i]));
    var random = new Random(seed);
    double[] even = scaled(root.clone()); // the eigenvector of 1
    List<double[]> basis = new ArrayList<>();
    List<Double> diagonal = new ArrayList<>();
    List<Double> beside = new ArrayList<>();
    double[] next = random(n, random);
    while (basis.size() < Math.min(MOST, n - 1)) {
      clear(next, even);
      for (int pass = 0; pass < 2; pass++) {
        for (double[] before : basis) {
          clear(next, before);
        }
        clear(next, even);
      }
      double length = norm(next);
      if (length < 1e-10) {
        break;
      }
      if (!basis.isEmpty()) {
        beside.add(length);
      }
      double[] own = scaled(next);
      basis.add(own);
      next = product(graph, root, own);
      diagonal.add(dot(next, own));
    }
    double[][] slow = slow(basis, diagonal, beside);
    double[][] at = new double[n][2];
    for (int c = 0; c < 2; c++) {
      double[] own = c < slow.length ? slow[c] : random(n, random);
      double most = Arrays.stream(own).map(Math::abs).max().orElse(1);
      for (int i = 0; i < n; i++) {
        at[i][c] = LARGEST * own[i] / (most == 0 ? 1 : most) + NOISE * random.nextGaussian();
      }
    }
    return at;
  }

  /// Eigenvectors of the two greatest eigenvalues, in the basis of Lanczos.
  private static double[][] slow(List<double[]> basis, List<Double> diagonal, List<Double> beside) {
    int m = basis.size();
    double[] small = new double[m * m];
    for (int i = 0; i < m; i++) {
      small[i * m + i] = diagonal.get(i);
      if (i + 1 < m) {
        small[i * m + i + 1] = beside.get(i);
        small[(i + 1) * m + i] = beside.get(i);
      }
    }
    double[] vectors;
    try (var scope = Scope.withoutGradients()) {
      vectors = Tensor.of(small, m, m).eigen().vectors().toDoubles(); // columns, ascending
    }
    double[][] slow = new double[Math.min(2, m)][];
    for (int c = 0; c < slow.length; c++) {
      double[] own = new double[basis.getFirst().length];
      for (int j = 0; j < m; j++) {
        double share = vectors[j * m + m - 1 - c];
        double[] along = basis.get(j);
        for (int i = 0; i < own.length; i++) {
          own[i] += share * along[i];
        }
      }
      slow[c] = own;
    }
    return slow;
  }

  /// `D^(−½) P D^(−½) x`.
  private static double[] product(FuzzyGraph graph, double[] root, double[] x) {
    double[] y = new double[x.length];
    for (int e = 0; e < graph.weights().length; e++) {
      int i = graph.from()[e];
      int j = graph.to()[e];
      double weight = graph.weights()[e] / (root[i] * root[j]);
      y[i] += weight * x[j];
      y[j] += weight * x[i];
    }
    return y;
  }

  private static double[] random(int n, Random random) {
    double[] x = new double[n];
    Arrays.setAll(x, _ -> random.nextGaussian());
    return x;
  }

  private static void clear(double[] x, double[] along) {
    double share = dot(x, along);
    for (int i = 0; i < x.length; i++) {
      x[i] -= share * along[i];
    }
  }

  private static double[] scaled(double[] x) {
    double length = norm(x);
    double[] own = x.clone();
    for (int i = 0; i < own.length; i++) {
      own[i] /= length;
    }
    return own;
  }

  private static double norm(double[] x) {
    return Math.sqrt(dot(x, x));
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }
}
