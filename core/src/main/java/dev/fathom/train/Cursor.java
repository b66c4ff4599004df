package dev.fathom.train;

import java.util.List;

/// The place in a training set: the next batch, and which it is.
final class Cursor {
  private final TrainingSet data;
  private final Trainer.Config config;
  private List<List<Row>> batches;
  private int epoch;
  private int batch;

  Cursor(TrainingSet data, Trainer.Config config, RunState state) {
    this.data = data;
    this.config = config;
    this.epoch = state.epoch();
    this.batch = state.batch();
    this.batches = batches();
  }

  List<Row> next() {
    while (batch >= batches.size()) {
      epoch++;
      batch = 0;
      batches = batches();
    }
    return batches.get(batch++);
  }

  private List<List<Row>> batches() {
    List<Row> rows = data.epoch(epoch);
    return config.batchRows() > 0
        ? Batches.ofRows(rows, config.batchRows())
        : Batches.of(rows, config.batchTokens());
  }

  /// The epoch of the last batch.
  int epoch() {
    return epoch;
  }

  /// Batches of this epoch that were given out.
  int batch() {
    return batch;
  }
}
