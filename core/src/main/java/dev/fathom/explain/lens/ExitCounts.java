package dev.fathom.explain.lens;

import dev.fathom.explain.lens.ExitProfile.Threshold;
import java.util.ArrayList;
import java.util.List;

/// Counts, position by position, how early the answer is there: what [ExitProfile] reports of a
/// prompt and [ExitEvidence] of a text.
final class ExitCounts {
  private static final double[] THRESHOLDS = {0.5, 0.7, 0.9, 0.95};

  private final int rows;
  private final long[] agreeing; // positions whose best token at a row is the final one
  private final long[] settled; // positions by commit depth
  private final long[] right; // positions whose best token at a row is the true next one
  private final long[] exitRows = new long[THRESHOLDS.length];
  private final long[] exitAgreeing = new long[THRESHOLDS.length];
  private long positions;
  private long truths;
  private long overthought;

  ExitCounts(int rows) {
    this.rows = rows;
    agreeing = new long[rows];
    settled = new long[rows];
    right = new long[rows];
  }

  /// The best token of each row at one position, and its probability.
  interface Column {
    int top(int row);

    double confidence(int row);
  }

  /// Counts a position.
  ///
  /// @param next the true next token, negative where it is not known
  /// @return its commit depth
  int add(Column column, int next) {
    int last = column.top(rows - 1);
    int depth = rows - 1;
    while (depth > 0 && column.top(depth - 1) == last) {
      depth--;
    }
    positions++;
    settled[depth]++;
    boolean earlier = false;
    for (int row = 0; row < rows; row++) {
      int top = column.top(row);
      agreeing[row] += top == last ? 1 : 0;
      right[row] += next >= 0 && top == next ? 1 : 0;
      earlier |= row < rows - 1 && top == next;
    }
    if (next >= 0) {
      truths++;
      overthought += earlier && last != next ? 1 : 0;
    }
    for (int i = 0; i < THRESHOLDS.length; i++) {
      int row = 0;
      while (row < rows - 1 && column.confidence(row) <= THRESHOLDS[i]) {
        row++;
      }
      exitRows[i] += row;
      exitAgreeing[i] += column.top(row) == last ? 1 : 0;
    }
    return depth;
  }

  long positions() {
    return positions;
  }

  /// Positions whose next token is known.
  long truths() {
    return truths;
  }

  float[] agreement() {
    return shares(agreeing, positions);
  }

  float[] accuracy() {
    return shares(right, truths);
  }

  float[] settled() {
    return shares(settled, positions);
  }

  /// NaN where no next token is known.
  double overthought() {
    return truths == 0 ? Double.NaN : (double) overthought / truths;
  }

  double meanCommitDepth() {
    double sum = 0;
    for (int row = 0; row < rows; row++) {
      sum += (double) row * settled[row];
    }
    return sum / positions;
  }

  List<Threshold> thresholds() {
    var thresholds = new ArrayList<Threshold>();
    for (int i = 0; i < THRESHOLDS.length; i++) {
      double mean = (double) exitRows[i] / positions;
      thresholds.add(
          new Threshold(
              THRESHOLDS[i], mean, rows - 1 - mean, (double) exitAgreeing[i] / positions));
    }
    return thresholds;
  }

  private static float[] shares(long[] counts, long of) {
    float[] shares = new float[counts.length];
    for (int i = 0; i < shares.length; i++) {
      shares[i] = (float) ((double) counts[i] / of);
    }
    return shares;
  }
}
