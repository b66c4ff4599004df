package dev.fathom.concepts.map;

import dev.fathom.concepts.map.Projection.Plane;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;

/// Where the directions of one or two models lie on a map.
///
/// @param places one map `[n][2]` for each model
/// @param distance what [Procrustes] could not take away, of maps made apart
record Placement(List<double[][]> places, OptionalDouble distance) {
  Placement {
    places = List.copyOf(places);
  }

  static Placement of(Tensor rows, ConceptMap.Config config) {
    return new Placement(List.<double[][]>of(map(rows, config)), OptionalDouble.empty());
  }

  /// @param base `[n, d]`
  /// @param tuned `[n, e]`, e = d unless they are mapped apart
  static Placement of(Tensor base, Tensor tuned, ConceptMap.Mode mode, ConceptMap.Config config) {
    return switch (mode) {
      case SEPARATE -> {
        double[][] stays = map(base, config);
        Procrustes laid = Procrustes.of(stays, map(tuned, config));
        yield new Placement(List.of(stays, laid.map()), OptionalDouble.of(laid.distance()));
      }
      case JOINT -> {
        int n = Math.toIntExact(base.size(0));
        try (var scope = Scope.withoutGradients()) {
          double[][] all = map(Tensor.cat(List.of(base, tuned), 0), config);
          yield new Placement(
              List.of(Arrays.copyOf(all, n), Arrays.copyOfRange(all, n, 2 * n)),
              OptionalDouble.empty());
        }
      }
      case TRANSFORM -> {
        double[][] stays = map(base, config);
        double[][] placed =
            switch (config.projection()) {
              case UMAP -> placed(base, stays, tuned, config.umap().neighbours());
              case PCA -> {
                try (var scope = Scope.withoutGradients()) {
                  yield Plane.of(base).places(tuned);
                }
              }
            };
        yield new Placement(List.of(stays, placed), OptionalDouble.empty());
      }
    };
  }

  private static double[][] map(Tensor rows, ConceptMap.Config config) {
    try (var scope = Scope.withoutGradients()) {
      return switch (config.projection()) {
        case UMAP -> Umap.of(rows, config.umap());
        case PCA -> Plane.of(rows).places(rows);
      };
    }
  }

  /// Each at the mean of its neighbours' places, weighted by `exp(−d / σ)` with σ such that the
  /// weights add up to `log2 k`; where its nearest is the same direction, at its place.
  private static double[][] placed(Tensor base, double[][] places, Tensor more, int each) {
    Neighbours near = Neighbours.among(more, base, each);
    int k = near.each();
    double[][] found = new double[near.points()][2];
    for (int i = 0; i < found.length; i++) {
      int first = i * k;
      if (near.distances()[first] < SAME) {
        found[i] = places[near.indices()[first]].clone();
        continue;
      }
      double width = FuzzyGraph.width(near.distances(), first, k, 0, SAME);
      double all = 0;
      for (int e = first; e < first + k; e++) {
        double weight = Math.exp(-near.distances()[e] / width);
        double[] place = places[near.indices()[e]];
        found[i][0] += weight * place[0];
        found[i][1] += weight * place[1];
        all += weight;
      }
      found[i][0] /= all;
      found[i][1] /= all;
    }
    return found;
  }

  /// A distance by cosine that is rounding.
  private static final double SAME = 1e-6;
}
