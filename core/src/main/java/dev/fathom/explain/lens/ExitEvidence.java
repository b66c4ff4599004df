package dev.fathom.explain.lens;

import dev.fathom.data.TextWindows;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Grid;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;

/// Over a long text: how early is the answer there, what would leaving early save and cost, and how
/// often do later layers lose what an earlier one had right (thesis section 4.1.1; Schuster et al.
/// 2022, Kaya et al. 2019)? The same as [ExitProfile] of a prompt, and beside it how well each
/// layer predicts the text: `−ln p_l(next)` in nats.
///
/// The evidence is the lens': an upper estimate of what early exit can save, as positions that exit
/// leave later ones without the keys and values of the skipped layers. Where the head is the
/// embedding table, the embedding is very sure of the token it has just read; a tuned lens is not.
///
/// One row of text at a time, a few numbers kept for each.
public final class ExitEvidence {
  private ExitEvidence() {}

  /// Reads the rows of a text through a lens.
  ///
  /// @param listener is told how many tokens were read, row by row
  /// @throws IllegalArgumentException if the model is a classifier
  public static ExitEvidenceResult run(
      Transformer model, TextWindows text, Reading lens, IntConsumer listener) {
    if (!model.card().labels().isEmpty()) {
      throw new IllegalArgumentException(
          "%s is a classifier: it predicts no token at each position of a text"
              .formatted(model.card().name()));
    }
    long start = System.nanoTime();
    int rows = model.layers() + 1;
    boolean causal = model.card().causal();
    var counts = new ExitCounts(rows);
    double[] loss = new double[rows];
    double[] divergence = new double[rows];
    for (int[] ids : text.rows()) {
      int[] next = new int[ids.length];
      Arrays.fill(next, -1);
      if (causal) {
        System.arraycopy(ids, 1, next, 0, ids.length - 1);
      }
      try (var scope = Scope.withoutGradients()) {
        Tensor streams = lens.of(LogitLens.streams(model, ids));
        LensCells cells = LensCells.of(model, streams, next, 1);
        for (int t = 0; t < ids.length; t++) {
          counts.add(column(cells, t), next[t]);
          for (int row = 0; row < rows; row++) {
            divergence[row] += cells.divergence[cells.cell(row, t)];
            loss[row] -= next[t] < 0 ? 0 : cells.targetLogP[cells.cell(row, t)];
          }
        }
      }
      listener.accept(ids.length);
    }
    var axis = LensResult.axes(rows, List.of()).getFirst();
    return new ExitEvidenceResult(
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "lens",
            lens.name(),
            "rows of text",
            Integer.toString(text.rows().size()),
            "longest row",
            Integer.toString(text.rows().stream().mapToInt(row -> row.length).max().orElse(0)),
            "tokens",
            Long.toString(text.tokens())),
        counts.positions(),
        Grid.vector(axis, counts.agreement()),
        Grid.vector(axis, counts.accuracy()),
        Grid.vector(axis, means(loss, counts.truths())),
        Grid.vector(axis, means(divergence, counts.positions())),
        Grid.vector(axis, counts.settled()),
        counts.meanCommitDepth(),
        counts.thresholds(),
        counts.overthought());
  }

  private static ExitCounts.Column column(LensCells cells, int position) {
    return new ExitCounts.Column() {
      @Override
      public int top(int row) {
        return cells.top(row, position);
      }

      @Override
      public double confidence(int row) {
        return cells.confidence(row, position);
      }
    };
  }

  private static float[] means(double[] sums, long count) {
    float[] means = new float[sums.length];
    for (int i = 0; i < means.length; i++) {
      means[i] = (float) (sums[i] / count); // 0 / 0 is NaN: not known
    }
    return means;
  }
}
