package dev.fathom.explain.attribute;

import dev.fathom.view.Grid;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/// How much each token of a prompt speaks for the answer, by one method.
///
/// @param method its name on the command line: `ig`
/// @param array the name its scores are saved under:
///   `integrated_gradients_zero_baseline_midpoint64`
/// @param title the name for people
/// @param scores one for each token, NaN for a token that the method leaves alone
/// @param errors standard errors of the scores; empty where nothing is drawn at random
/// @param unit what the scores are measured in
/// @param expected what the scores should sum to, where the method promises that
/// @param notes what a reader must know, one sentence each
public record TokenAttribution(
    String method,
    String array,
    String title,
    Grid scores,
    Optional<Grid> errors,
    String unit,
    OptionalDouble expected,
    List<String> notes) {
  /// The largest gap, relative to what the scores should sum to, that counts as converged.
  public static final double CONVERGED = 0.05;

  public TokenAttribution {
    notes = List.copyOf(notes);
    if (scores.rank() != 1) {
      throw new IllegalArgumentException("one score for each token, found " + scores);
    }
  }

  /// The sum of the scores.
  public double sum() {
    double sum = 0;
    for (float score : scores.values()) {
      sum += Float.isNaN(score) ? 0 : score;
    }
    return sum;
  }

  /// `|sum − expected| / |expected|`; empty for a method that promises no sum.
  public OptionalDouble gap() {
    if (expected.isEmpty()) {
      return OptionalDouble.empty();
    }
    double difference = Math.abs(sum() - expected.getAsDouble());
    return OptionalDouble.of(difference == 0 ? 0 : difference / Math.abs(expected.getAsDouble()));
  }

  /// Whether the scores sum to what they should; true for a method that promises no sum.
  public boolean converged() {
    return gap().isEmpty() || gap().getAsDouble() <= CONVERGED;
  }

  /// The tokens that have a score, the one that speaks most for the answer first.
  public List<Integer> order() {
    return java.util.stream.IntStream.range(0, scores.size())
        .filter(i -> !Double.isNaN(scores.at(i)))
        .boxed()
        .sorted(java.util.Comparator.comparingDouble(i -> -scores.at(i)))
        .toList();
  }
}
