package dev.fathom.explain;

import dev.fathom.model.Head;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// Reads a question's metric off streams of the last block. Only the columns of the head that the
/// metric needs are computed, in 32 bits or more, as a difference of logits that were rounded to 16
/// is noise; where it needs all, in chunks.
///
/// Lives in the scope it is made in.
public final class Readout {
  /// Logits held at a time.
  private static final long CHUNK_BYTES = 64 << 20;

  private final Transformer model;
  private final Question question;
  private final @Nullable Tensor cleanLogP; // [1, outputs], only for KL
  private final @Nullable Tensor columns; // [1 or 2, dModel], only where they suffice
  private final @Nullable Tensor bias;
  private final double clean;

  /// @param stream of the unchanged run at the position in question, `[1, dModel]`
  public Readout(Transformer model, Question question, Tensor stream) {
    this.model = model;
    this.question = question;
    Scope home = Scope.current();
    Tensor index =
        question.metric() == Metric.LOGIT_DIFFERENCE
            ? Tensor.of(new long[] {question.target(), question.foil().orElseThrow()}, 2)
            : Tensor.of(new long[] {question.target()}, 1);
    boolean few = question.metric() == Metric.LOGIT || question.metric() == Metric.LOGIT_DIFFERENCE;
    var out = model.head().out();
    columns = few ? out.weight().values().indexSelect(0, index).contiguous().wide() : null;
    Tensor all = out.bias();
    bias = few && all != null ? all.indexSelect(0, index).wide() : null;
    cleanLogP =
        question.metric() == Metric.KL
            ? home.keep(model.head().of(stream).wide().logSoftmax(-1))
            : null;
    clean = question.metric() == Metric.KL ? 0 : of(stream).item();
  }

  /// The metric of the unchanged run.
  public double clean() {
    return clean;
  }

  /// The metric of each stream, `[n, dModel] -> [n]`, in the graph of streams that have one.
  public Tensor of(Tensor streams) {
    Head head = model.head();
    Tensor weights = columns;
    if (weights != null) {
      Tensor read = head.read(streams).wide();
      Tensor logits = head.shaped(read.linear(weights, bias)); // [n, 1 or 2]
      return question.metric() == Metric.LOGIT
          ? logits.select(1, 0)
          : logits.select(1, 0).sub(logits.select(1, 1));
    }
    Tensor logP = head.of(streams).wide().logSoftmax(-1); // [n, outputs]
    Tensor known = cleanLogP;
    if (known != null) {
      return known.exp().mul(known.sub(logP)).sum(-1, false);
    }
    Tensor target = logP.select(1, question.target());
    return question.metric() == Metric.PROBABILITY ? target.exp() : target;
  }

  /// The metric of each stream, `[n, dModel] -> n` numbers, a chunk of logits at a time.
  public double[] values(Tensor streams) {
    int n = (int) streams.size(0);
    int chunk =
        columns != null ? n : (int) Math.max(1, CHUNK_BYTES / (3L * Float.BYTES * model.outputs()));
    double[] values = new double[n];
    for (int from = 0; from < n; from += chunk) {
      try (var scope = Scope.withoutGradients()) {
        int count = Math.min(chunk, n - from);
        double[] part = of(streams.narrow(0, from, count)).toDoubles();
        System.arraycopy(part, 0, values, from, count);
      }
    }
    return values;
  }
}
