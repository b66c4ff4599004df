package dev.fathom.explain.report;

import dev.fathom.explain.lens.LogitLens;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// How far two models' predictions are apart, `KL(A ‖ B)` in nats.
///
/// @param output of the predictions themselves, `[position]`
/// @param cells of the lens at each layer, `[layer, position]`; null where the depths differ
/// @param pA A's distribution at the position in question
/// @param pB B's
record Divergence(Grid output, @Nullable Grid cells, Grid pA, Grid pB) {
  /// Logits of both models held at a time.
  private static final long CHUNK_BYTES = 64 << 20;

  static Divergence of(Transformer a, Transformer b, int[] ids, int position) {
    boolean alike = a.layers() == b.layers();
    int rows = alike ? a.layers() + 1 : 1;
    float[] cells = new float[rows * ids.length];
    try (var scope = Scope.withoutGradients()) {
      Tensor streamsA = LogitLens.streams(a, ids); // [layers + 1, tokens, dModel]
      Tensor streamsB = LogitLens.streams(b, ids);
      int chunk = (int) Math.max(1, CHUNK_BYTES / (6L * a.outputs() * Float.BYTES));
      for (int row = 0; row < rows; row++) {
        Tensor readA = streamsA.select(0, alike ? row : a.layers());
        Tensor readB = streamsB.select(0, alike ? row : b.layers());
        for (int from = 0; from < ids.length; from += chunk) {
          try (var inner = Scope.open()) {
            int count = Math.min(chunk, ids.length - from);
            Tensor logA = logP(a, readA.narrow(0, from, count));
            Tensor logB = logP(b, readB.narrow(0, from, count));
            float[] kl = logA.exp().mul(logA.sub(logB)).sum(-1, false).toFloats();
            for (int i = 0; i < count; i++) {
              cells[row * ids.length + from + i] = Math.max(0, kl[i]);
            }
          }
        }
      }
      float[] last = new float[ids.length];
      System.arraycopy(cells, (rows - 1) * ids.length, last, 0, ids.length);
      return new Divergence(
          Grid.vector(Axis.index("position", ids.length), last),
          alike
              ? Grid.real(
                  List.of(Axis.index("layer", rows), Axis.index("position", ids.length)), cells)
              : null,
          distribution(a, streamsA, position),
          distribution(b, streamsB, position));
    }
  }

  private static Tensor logP(Transformer model, Tensor streams) {
    Tensor logits = model.head().of(streams);
    return (logits.dtype() == DType.F64 ? logits : logits.to(DType.F32)).logSoftmax(-1);
  }

  private static Grid distribution(Transformer model, Tensor streams, int position) {
    Tensor last = streams.select(0, model.layers()).narrow(0, position, 1);
    return Grid.vector(Axis.index("output", model.outputs()), logP(model, last).exp().toFloats());
  }

  /// A's probability of an output.
  double a(int output) {
    return pA.at(output);
  }

  /// B's.
  double b(int output) {
    return pB.at(output);
  }

  /// The greater of both.
  double most(int output) {
    return Math.max(a(output), b(output));
  }
}
