package dev.fathom.concepts.decompose;

import java.util.Arrays;

/// Orthogonal matching pursuit (Pati et al. 1993): takes the atom that lies along the rest best,
/// solves for all that are taken by least squares, and goes on until there are enough or nothing is
/// left. Of equal atoms it takes the first.
///
/// @param atoms at most
/// @param nonNegative whether atoms may only be added, not taken off
public record MatchingPursuit(int atoms, boolean nonNegative) implements Solver {
  private static final double NOTHING = 1e-6;
  private static final double DEPENDENT = 1e-10;

  public MatchingPursuit {
    if (atoms < 1) {
      throw new IllegalArgumentException("at least 1 atom is needed, found " + atoms);
    }
  }

  /// 20 atoms of either sign.
  public static MatchingPursuit standard() {
    return new MatchingPursuit(20, false);
  }

  @Override
  public Code of(Atoms dictionary, double[] z) {
    double norm = Vectors.norm(z);
    if (norm == 0) {
      return Code.zero();
    }
    Vectors vector = Vectors.of(z, norm);
    int[] some = new int[0];
    double[] coefficients = new double[0];
    double[] rest = vector.unit();
    double[] target = dictionary.along(vector.unit());
    while (some.length < Math.min(atoms, dictionary.count()) && Vectors.norm(rest) > NOTHING) {
      int best = best(dictionary.along(rest), some);
      if (best < 0) {
        break;
      }
      int[] next = Arrays.copyOf(some, some.length + 1);
      next[some.length] = best;
      double[] solved = solved(dictionary.gram(next), of(target, next));
      if (solved.length == 0 || (nonNegative && Arrays.stream(solved).anyMatch(c -> c < 0))) {
        break; // as good as in the span of the others, or one would have to be taken off
      }
      some = next;
      coefficients = solved;
      rest = dictionary.without(vector.unit(), some, coefficients);
    }
    double left = Vectors.norm(rest);
    return vector.code(dictionary, some, coefficients, left * left / 2);
  }

  /// The atom along the rest best that is not taken; -1 where there is none.
  private int best(double[] along, int[] taken) {
    int best = -1;
    double most = NOTHING;
    for (int i = 0; i < along.length; i++) {
      int own = i;
      double value = nonNegative ? along[i] : Math.abs(along[i]);
      if (value > most && Arrays.stream(taken).noneMatch(t -> t == own)) {
        best = i;
        most = value;
      }
    }
    return best;
  }

  private static double[] of(double[] all, int[] some) {
    return Arrays.stream(some).mapToDouble(i -> all[i]).toArray();
  }

  /// `G c = b` by Cholesky's decomposition; empty where G is singular.
  private static double[] solved(double[] gram, double[] b) {
    int n = b.length;
    double[] l = new double[n * n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        double sum = gram[i * n + j];
        for (int k = 0; k < j; k++) {
          sum -= l[i * n + k] * l[j * n + k];
        }
        if (i == j && sum < DEPENDENT) {
          return new double[0];
        }
        l[i * n + j] = i == j ? Math.sqrt(sum) : sum / l[j * n + j];
      }
    }
    double[] x = b.clone();
    for (int i = 0; i < n; i++) {
      for (int k = 0; k < i; k++) {
        x[i] -= l[i * n + k] * x[k];
      }
      x[i] /= l[i * n + i];
    }
    for (int i = n - 1; i >= 0; i--) {
      for (int k = i + 1; k < n; k++) {
        x[i] -= l[k * n + i] * x[k];
      }
      x[i] /= l[i * n + i];
    }
    return x;
  }

  @Override
  public String summary() {
    return "at most %d atoms%s".formatted(atoms, nonNegative ? ", not negative" : "");
  }
}
