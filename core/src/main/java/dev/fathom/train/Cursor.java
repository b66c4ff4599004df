package dev.fathom.train;

import java.util.List;

/// The place in a training set: the next batch, and which it is.
final class Cursor {
  private final TrainingSet data;
  private final int batchTokens;
  private List<List<Row>> batches;
  private int epoch;
  private int batch;

  Cursor(TrainingSet data, int batchTokens, RunState state) {
    this.data = data;
    this.batchTokens = batchTokens;
    this.epoch = state.epoch();
    this.batch = state.batch();
    this.batches = Batches.of(data.epoch(epoch), batchTokens);
  }

  List<Row> next() {
    while (batch >= batches.size()) {
      epoch++;
      batch = 0;
      batches = Batches.of(data.epoch(epoch), batchTokens);
    }
    return batches.get(batch++);
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
