package dev.fathom.train;

import dev.fathom.tensor.Tensor;
import java.util.List;
import java.util.SequencedMap;

/// What is to become small: a sum over the targets of rows. Several threads call it at once, each
/// with leaves of its own.
public interface Objective {
  /// The summed loss of the rows in nats, not scaled, after adding `scale` times its gradient to
  /// the gradients of the leaves.
  double backward(SequencedMap<String, Tensor> leaves, List<Row> rows, double scale);

  /// The summed loss alone.
  double loss(SequencedMap<String, Tensor> parameters, List<Row> rows);

  /// What decides the loss besides the parameters and the rows: a run is not continued when it
  /// differs.
  String fingerprint();
}
