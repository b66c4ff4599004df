package dev.fathom.concepts.decompose;

import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/// What a vector consists of: `z ≈ Σ c_i d_i`.
///
/// @param coefficients c by the atom's index, none of them 0, the largest first
/// @param residual `‖z − Σ c_i d_i‖`
/// @param norm `‖z‖`
/// @param objective what the solver made small, for `z / ‖z‖`
public record Code(
    SequencedMap<Integer, Double> coefficients, double residual, double norm, double objective) {
  public Code {
    coefficients = Collections.unmodifiableSequencedMap(sorted(coefficients));
  }

  private static SequencedMap<Integer, Double> sorted(Map<Integer, Double> coefficients) {
    var sorted = new LinkedHashMap<Integer, Double>();
    coefficients.entrySet().stream()
        .sorted(
            Comparator.<Map.Entry<Integer, Double>>comparingDouble(
                    entry -> -Math.abs(entry.getValue()))
                .thenComparing(Map.Entry::getKey))
        .forEach(entry -> sorted.put(entry.getKey(), entry.getValue()));
    return sorted;
  }

  /// Of a vector of zeros.
  static Code zero() {
    return new Code(new LinkedHashMap<>(), 0, 0, 0);
  }

  /// What share of the squared length is not told, from 0 to 1; 0 for zeros.
  public double unexplained() {
    return norm == 0 ? 0 : residual * residual / (norm * norm);
  }

  /// The atoms, the most important first.
  public List<Integer> support() {
    return List.copyOf(coefficients.sequencedKeySet());
  }
}
