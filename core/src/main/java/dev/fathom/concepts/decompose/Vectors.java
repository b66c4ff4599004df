package dev.fathom.concepts.decompose;

import java.util.LinkedHashMap;

/// A vector brought to length 1, and a solution brought back.
///
/// @param unit `z / ‖z‖`, not copied
/// @param norm `‖z‖`, above 0
@SuppressWarnings("ArrayRecordComponent")
record Vectors(double[] unit, double norm) {
  static double norm(double[] z) {
    double sum = 0;
    for (double x : z) {
      sum += x * x;
    }
    return Math.sqrt(sum);
  }

  static Vectors of(double[] z, double norm) {
    double[] unit = new double[z.length];
    for (int i = 0; i < z.length; i++) {
      unit[i] = z[i] / norm;
    }
    return new Vectors(unit, norm);
  }

  /// @param some atoms
  /// @param coefficients theirs, for the unit vector
  Code code(Atoms atoms, int[] some, double[] coefficients, double objective) {
    double left = norm(atoms.without(unit, some, coefficients));
    var found = new LinkedHashMap<Integer, Double>();
    for (int i = 0; i < some.length; i++) {
      if (coefficients[i] != 0) {
        found.put(some[i], coefficients[i] * norm);
      }
    }
    return new Code(found, left * norm, norm, objective);
  }
}
