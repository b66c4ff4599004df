package dev.fathom.align.lope;

import dev.fathom.model.Linear;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/// Which neurons write along some directions? The score of neuron i of a layer is the cosine of a
/// direction with its value vector, a column of the MLP's output map (Lee et al. 2024, section 3.2;
/// thesis section 4.3.1, which writes W_K once where W_V is meant).
///
/// What a neuron adds is `m_i v_i`: where its activation m is negative, as it often is in a gated
/// MLP, a neuron that points along the direction writes against it.
public final class BiasNeurons {
  private BiasNeurons() {}

  /// A neuron that was found.
  ///
  /// @param direction the number of the direction it points along best
  /// @param cosine with that direction
  public record Found(int layer, int neuron, int direction, double cosine) {}

  /// The cosines of directions with all value vectors of a layer, F64 `[directions, dMlp]`, in the
  /// current scope.
  ///
  /// @param directions `[directions, dModel]`, of length 1
  public static Tensor cosines(Transformer model, int layer, Tensor directions) {
    try (var scope = Scope.withoutGradients()) {
      Tensor values = vectors(model.blocks().get(layer).mlp().out()); // [dModel, dMlp]
      Tensor norms = values.norm(0, true);
      return scope.escape(directions.to(DType.F64).matmul(values).div(norms.add(1e-30)));
    }
  }

  private static Tensor vectors(Linear out) {
    return out.weight().values().to(DType.F64);
  }

  /// The `k` neurons of a layer whose value vectors point along the directions best: by the
  /// greatest cosine with any of them, the first of equals.
  ///
  /// @param directions `[directions, dModel]`, of length 1
  public static List<Found> ofLayer(Transformer model, int layer, Tensor directions, int k) {
    double[] cosines;
    int neurons;
    try (var scope = Scope.withoutGradients()) {
      Tensor all = cosines(model, layer, directions);
      neurons = Math.toIntExact(all.size(1));
      cosines = all.toDoubles();
    }
    int count = cosines.length / neurons;
    var best = new ArrayList<Found>();
    for (int n = 0; n < neurons; n++) {
      int neuron = n;
      int own =
          IntStream.range(0, count)
              .boxed()
              .max(
                  Comparator.comparingDouble((Integer d) -> cosines[d * neurons + neuron])
                      .thenComparing(Comparator.reverseOrder()))
              .orElseThrow();
      best.add(new Found(layer, n, own, cosines[own * neurons + n]));
    }
    return best.stream()
        .sorted(Comparator.comparingDouble(Found::cosine).reversed())
        .limit(k)
        .toList();
  }

  /// For each direction the `k` neurons of the whole model that point along it best (Fig 4.10).
  ///
  /// @param directions `[directions, dModel]`, of length 1
  public static List<List<Found>> ofModel(Transformer model, Tensor directions, int k) {
    int count = Math.toIntExact(directions.size(0));
    var found = new ArrayList<List<Found>>();
    IntStream.range(0, count).forEach(_ -> found.add(new ArrayList<>()));
    for (int layer = 0; layer < model.layers(); layer++) {
      double[] cosines;
      try (var scope = Scope.withoutGradients()) {
        cosines = cosines(model, layer, directions).toDoubles();
      }
      int neurons = cosines.length / count;
      for (int d = 0; d < count; d++) {
        double[] own = Arrays.copyOfRange(cosines, d * neurons, (d + 1) * neurons);
        int direction = d;
        int at = layer;
        IntStream.range(0, neurons)
            .boxed()
            .sorted(Comparator.comparingDouble((Integer n) -> own[n]).reversed())
            .limit(k)
            .forEach(n -> found.get(direction).add(new Found(at, n, direction, own[n])));
      }
    }
    return found.stream()
        .map(own ->
            own.stream()
                .sorted(Comparator.comparingDouble(Found::cosine).reversed())
                .limit(k)
                .toList())
        .toList();
  }
}
