package dev.fathom.train;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/// What is learnt from, epoch after epoch. The same number gives the same rows, whatever was asked
/// before: that is what lets a run go on exactly where it was killed.
public interface TrainingSet {
  /// The rows of an epoch in the order they are to be learnt, never none.
  List<Row> epoch(int number);

  /// A short text that differs when the rows differ: a run is not continued on other data.
  String fingerprint();

  /// What tells rows from other rows, for fingerprints: hexadecimal digits.
  static String digest(List<Row> rows) {
    return Batches.digest(rows);
  }

  /// The same rows in every epoch, in another order each time.
  static TrainingSet shuffled(List<Row> rows, long seed) {
    if (rows.isEmpty()) {
      throw new IllegalArgumentException("a training set needs at least one row");
    }
    List<Row> all = List.copyOf(rows);
    return new TrainingSet() {
      @Override
      public List<Row> epoch(int number) {
        var order = new ArrayList<>(all);
        Collections.shuffle(order, new Random(seed * 1_000_003 + number));
        return order;
      }

      @Override
      public String fingerprint() {
        return "%d rows, %s, seed %d".formatted(all.size(), Batches.digest(all), seed);
      }
    };
  }
}
