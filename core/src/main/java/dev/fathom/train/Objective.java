package dev.fathom.train;

import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.SequencedMap;

/// What is to become small: a sum over the targets of rows. Several threads call it at once, each
/// with leaves of its own.
public interface Objective {
  /// Sums over the targets of some rows.
  ///
  /// @param loss nats
  /// @param measures of what [#measures] names
  record Sums(double loss, List<Double> measures) {
    public Sums {
      measures = List.copyOf(measures);
    }

    /// A loss and nothing beside it.
    public static Sums of(double loss) {
      return new Sums(loss, List.of());
    }

    /// Of no rows.
    static Sums none(int measures) {
      return new Sums(0, java.util.Collections.nCopies(measures, 0.0));
    }

    /// Of the rows of both.
    public Sums plus(Sums other) {
      var both = new ArrayList<Double>();
      for (int i = 0; i < measures.size(); i++) {
        both.add(measures.get(i) + other.measures.get(i));
      }
      return new Sums(loss + other.loss, both);
    }
  }

  /// What is measured besides the loss, by name: the log keeps each one's mean over targets.
  default List<String> measures() {
    return List.of();
  }

  /// The sums of the rows, not scaled, after adding `scale` times the loss's gradient to the
  /// gradients of the leaves.
  ///
  /// @param step the step of the run, from 1: whatever is drawn at random depends on it, not on
  ///   what was computed before
  Sums backward(SequencedMap<String, Tensor> leaves, List<Row> rows, double scale, long step);

  /// The sums alone.
  Sums loss(SequencedMap<String, Tensor> parameters, List<Row> rows);

  /// What decides the loss besides the parameters and the rows: a run is not continued when it
  /// differs.
  String fingerprint();
}
