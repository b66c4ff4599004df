package dev.fathom.explain.lens;

import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;

/// What the head reads off streams, layer by layer, at some positions: the best tokens, the
/// entropy, and the log-probability and rank of one target a position. Cells are `[rows,
/// positions]`, row-major; the last row is the model's own prediction.
///
/// Logits are held for a chunk of positions at a time, about as many as stay in cache.
final class LensCells {
  /// Logits held at a time.
  private static final long CHUNK_BYTES = 16 << 20;

  final int rows;
  final int positions;
  final int topK;
  final int[] targets;
  final long[] topIds; // [rows, positions, topK]
  final float[] topProbability;
  final float[] entropy;
  final float[] targetLogP;
  final long[] targetRank;
  final float[] divergence; // from the last row, nats

  private LensCells(int rows, int[] targets, int topK) {
    this.rows = rows;
    this.positions = targets.length;
    this.topK = topK;
    this.targets = targets.clone();
    int cells = Math.multiplyExact(rows, positions);
    topIds = new long[Math.multiplyExact(cells, topK)];
    topProbability = new float[topIds.length];
    entropy = new float[cells];
    targetLogP = new float[cells];
    targetRank = new long[cells];
    divergence = new float[cells];
  }

  /// Reads streams `[rows, positions, dModel]`.
  ///
  /// @param targets one a position; a negative one becomes the last row's best
  static LensCells of(Transformer model, Tensor streams, int[] targets, int topK) {
    int rows = (int) streams.size(0);
    var cells = new LensCells(rows, targets, Math.min(topK, model.outputs()));
    int chunk = (int) Math.max(1, CHUNK_BYTES / ((long) rows * model.outputs() * Float.BYTES));
    for (int from = 0; from < targets.length; from += chunk) {
      int count = Math.min(chunk, targets.length - from);
      try (var scope = Scope.withoutGradients()) {
        Tensor part = streams.narrow(1, from, count).transpose(0, 1); // [count, rows, dModel]
        cells.read(
            model.head().of(part.reshape((long) count * rows, model.dModel())).to(DType.F32),
            from,
            count);
      }
    }
    return cells;
  }

  /// The cell of a row at a position.
  int cell(int row, int position) {
    return row * positions + position;
  }

  /// The best token of a cell.
  int top(int row, int position) {
    return (int) topIds[cell(row, position) * topK];
  }

  /// Its probability.
  float confidence(int row, int position) {
    return topProbability[cell(row, position) * topK];
  }

  /// Of the target, for every cell.
  float[] targetProbability() {
    float[] p = new float[targetLogP.length];
    for (int i = 0; i < p.length; i++) {
      p[i] = (float) Math.exp(targetLogP[i]);
    }
    return p;
  }

  /// `logits [positions · rows, vocab]`, position by position.
  private void read(Tensor logits, int from, int count) {
    int vocab = (int) logits.size(1);
    Tensor logP = logits.logSoftmax(-1);
    Tensor p = logP.exp();
    float[] entropies = p.mul(logP).sum(-1, false).toFloats();
    Tensor byPosition = logP.view(count, rows, vocab);
    Tensor last = p.view(count, rows, vocab).narrow(1, rows - 1, 1); // [count, 1, vocab]
    float[] cross = byPosition.matmul(last.transpose(1, 2)).toFloats(); // Σ p_N ln p_l
    chooseTargets(byPosition.select(1, rows - 1), from, count);
    MemorySegment memory = logP.memory();
    IntStream.range(0, count * rows)
        .parallel()
        .forEach(i -> {
          int position = from + i / rows;
          int cell = cell(i % rows, position);
          long offset = (long) i * vocab * Float.BYTES;
          float atTarget = memory.get(ValueLayout.JAVA_FLOAT, offset + 4L * targets[position]);
          var top = new RowTop(topK);
          top.scan(memory, offset, vocab);
          for (int k = 0; k < topK; k++) {
            topIds[cell * topK + k] = top.ids[k];
            topProbability[cell * topK + k] = (float) Math.exp(top.values[k]);
          }
          entropy[cell] = Math.max(0, -entropies[i]);
          targetLogP[cell] = atTarget;
          targetRank[cell] = RowTop.countGreater(memory, offset, vocab, atTarget);
          int own = (i / rows) * rows + rows - 1;
          divergence[cell] = Math.max(0, entropies[own] - cross[i]);
        });
  }

  private void chooseTargets(Tensor last, int from, int count) {
    if (IntStream.range(from, from + count).noneMatch(position -> targets[position] < 0)) {
      return;
    }
    long[] best = last.argmax(-1).toLongs();
    for (int i = 0; i < count; i++) {
      targets[from + i] = targets[from + i] < 0 ? (int) best[i] : targets[from + i];
    }
  }
}
