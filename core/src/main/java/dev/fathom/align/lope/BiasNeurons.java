package dev.fathom.align.lope;

import dev.fathom.model.Block;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/// Which neurons write along some directions? The score of neuron i of a layer is the cosine of a
/// direction with its value vector, a column of the MLP's output map (Lee et al. 2024, section 3.2;
/// thesis section 4.3.1, which writes W_K once where W_V is meant). Where a norm follows the MLP,
/// it is the vector with that norm's gain, as the stream gets it.
///
/// What a neuron adds is `m_i v_i`: where its activation m is negative, as it often is in a gated
/// MLP, a neuron that points along the direction writes against it.
public final class BiasNeurons {
  /// Keeps zero vectors from being divided by zero; no other has a length near it.
  static final double NOTHING = 1e-30;

  private BiasNeurons() {}

  /// A neuron that was found.
  ///
  /// @param direction the number of the direction it points along best
  /// @param cosine with that direction
  public record Found(int layer, int neuron, int direction, double cosine) {}

  /// The cosines of directions with all value vectors of a layer, F64 `[directions, dMlp]`, in the
  /// current scope; 0 for a vector that is zero.
  ///
  /// @param directions `[directions, dModel]`, of length 1
  public static Tensor cosines(Transformer model, int layer, Tensor directions) {
    try (var scope = Scope.withoutGradients()) {
      Block block = model.blocks().get(layer);
      Tensor vectors = // [dMlp, dModel]
          Written.of(block, block.mlp().out().weight().values().transpose(0, 1));
      Tensor lengths = vectors.norm(1, false).add(NOTHING);
      Tensor wide = directions.to(vectors.dtype());
      return scope.escape(wide.matmul(vectors.transpose(0, 1)).div(lengths));
    }
  }

  /// The `k` neurons of a layer whose value vectors point along the directions best: by the
  /// greatest cosine with any of them; of equal neurons and directions the first.
  ///
  /// @param directions `[directions, dModel]`, of length 1, at least one
  public static List<Found> ofLayer(Transformer model, int layer, Tensor directions, int k) {
    var all = new ArrayList<Found>();
    List<List<Found>> each = each(model, layer, directions);
    for (int n = 0; n < each.getFirst().size(); n++) {
      Found own = each.getFirst().get(n);
      for (List<Found> other : each) {
        own = other.get(n).cosine > own.cosine ? other.get(n) : own;
      }
      all.add(own);
    }
    return best(all, k);
  }

  /// For each direction the `k` neurons of the whole model that point along it best (Fig 4.10); of
  /// equal ones the first.
  ///
  /// @param directions `[directions, dModel]`, of length 1
  public static List<List<Found>> ofModel(Transformer model, Tensor directions, int k) {
    var found = new ArrayList<List<Found>>();
    for (int d = 0; d < directions.size(0); d++) {
      found.add(new ArrayList<>());
    }
    for (int layer = 0; layer < model.layers(); layer++) {
      List<List<Found>> each = each(model, layer, directions);
      for (int d = 0; d < each.size(); d++) {
        found.get(d).addAll(best(each.get(d), k));
      }
    }
    return found.stream().map(own -> best(own, k)).toList();
  }

  /// The neurons of a layer with their cosines, for each direction.
  private static List<List<Found>> each(Transformer model, int layer, Tensor directions) {
    try (var scope = Scope.withoutGradients()) {
      double[] cosines = cosines(model, layer, directions).toDoubles();
      int count = Math.toIntExact(directions.size(0));
      int neurons = cosines.length / count;
      var each = new ArrayList<List<Found>>();
      for (int d = 0; d < count; d++) {
        var own = new ArrayList<Found>();
        for (int n = 0; n < neurons; n++) {
          own.add(new Found(layer, n, d, cosines[d * neurons + n]));
        }
        each.add(own);
      }
      return each;
    }
  }

  private static List<Found> best(List<Found> found, int k) {
    return found.stream()
        .sorted(Comparator.comparingDouble(Found::cosine).reversed())
        .limit(k)
        .toList();
  }
}
