package dev.fathom.concepts.map;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.concepts.map.Neighbours.Metric;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class UmapTest {
  private static final int GROUPS = 6;

  /// Six Gaussian groups in 64 dimensions, 40 points each, in turn.
  private static double[][] groups(long seed) {
    var random = new Random(seed);
    double[][] centres = new double[GROUPS][64];
    for (double[] centre : centres) {
      Arrays.setAll(centre, _ -> 2 * random.nextGaussian());
    }
    double[][] points = new double[240][64];
    for (int i = 0; i < points.length; i++) {
      double[] centre = centres[i % GROUPS];
      Arrays.setAll(points[i], c -> centre[c] + random.nextGaussian());
    }
    return points;
  }

  private static Tensor tensor(double[][] points) {
    return Tensor.ofRows(List.of(points));
  }

  /// How many of the 15 nearest on the map are of the same group.
  private static double purity(double[][] map, int[] groups) {
    Neighbours near = Neighbours.of(tensor(map), 15, Metric.EUCLIDEAN);
    int same = 0;
    for (int i = 0; i < map.length; i++) {
      for (int j : near.of(i)) {
        same += groups[i] == groups[j] ? 1 : 0;
      }
    }
    return same / (15.0 * map.length);
  }

  @Test
  void groupsStayTogetherInAnyOrder() {
    double[][] points = groups(1);
    var order = new ArrayList<>(IntStream.range(0, points.length).boxed().toList());
    for (int turn = 0; turn < 2; turn++) {
      double[][] own = order.stream().map(i -> points[i]).toArray(double[][]::new);
      int[] groups = order.stream().mapToInt(i -> i % GROUPS).toArray();
      try (var scope = Scope.withoutGradients()) {
        double[][] map = Umap.of(tensor(own), Umap.Config.standard());
        assertThat(purity(map, groups)).isGreaterThan(0.95);
        assertThat(Trust.of(tensor(own), map, 15, Metric.COSINE)).isGreaterThan(0.9);
      }
      Collections.shuffle(order, new Random(3));
    }
  }

  @Test
  void theSameSeedMapsTheSameOnAnyNumberOfThreads() {
    try (var scope = Scope.withoutGradients()) {
      var config = Umap.Config.standard().withEpochs(50);
      Threads.set(1);
      double[][] one = Umap.of(tensor(groups(2)), config);
      Threads.set(2);
      assertThat(Umap.of(tensor(groups(2)), config)).isDeepEqualTo(one);
      Threads.set(1);
      assertThat(Umap.of(tensor(groups(2)), config.withSeed(7))).isNotEqualTo(one);
    }
  }

  @Test
  void fewPointsHaveFewNeighbours() {
    try (var scope = Scope.withoutGradients()) {
      double[][] points = Arrays.copyOf(groups(3), 5);
      double[][] map = Umap.of(tensor(points), Umap.Config.standard());
      assertThat(map).hasDimensions(5, 2);
      assertThat(Arrays.stream(map).flatMapToDouble(Arrays::stream).toArray())
          .doesNotContain(Double.NaN);
      assertThat(Neighbours.of(tensor(points), 15, Metric.COSINE).each()).isEqualTo(4);
      assertThatThrownBy(() -> Umap.of(tensor(Arrays.copyOf(points, 2)), Umap.Config.standard()))
          .hasMessage("a map takes at least 3 points, found 2");
    }
  }

  @Test
  void equalPointsAndZerosAreMapped() {
    try (var scope = Scope.withoutGradients()) {
      double[][] points = groups(4);
      points[7] = points[1].clone();
      points[13] = points[1].clone();
      points[20] = new double[64];
      double[][] map = Umap.of(tensor(points), Umap.Config.standard().withEpochs(20));
      assertThat(Arrays.stream(map).flatMapToDouble(Arrays::stream)).allMatch(Double::isFinite);
    }
  }

  // ---------------------------------------------------------------- parts

  @Test
  void neighboursAreThoseOfThePlainDefinition() {
    double[][] points = groups(5);
    for (Metric metric : Metric.values()) {
      try (var scope = Scope.withoutGradients()) {
        Neighbours found = Neighbours.of(tensor(points), 10, metric);
        for (int i = 0; i < points.length; i += 17) {
          int own = i;
          List<Integer> sorted =
              IntStream.range(0, points.length)
                  .filter(j -> j != own)
                  .boxed()
                  .sorted((a, b) ->
                      Double.compare(
                          distance(points[own], points[a], metric),
                          distance(points[own], points[b], metric)))
                  .limit(10)
                  .toList();
          assertThat(found.of(i)).isEqualTo(sorted);
          assertThat((double) found.distances()[10 * i])
              .isCloseTo(distance(points[i], points[sorted.getFirst()], metric), within(1e-3));
        }
      }
    }
  }

  private static double distance(double[] a, double[] b, Metric metric) {
    double ab = 0;
    double aa = 0;
    double bb = 0;
    for (int i = 0; i < a.length; i++) {
      ab += a[i] * b[i];
      aa += a[i] * a[i];
      bb += b[i] * b[i];
    }
    return metric == Metric.COSINE
        ? 1 - ab / Math.sqrt(aa * bb)
        : Math.sqrt(Math.max(0, aa + bb - 2 * ab));
  }

  @Test
  void weightsOfEachPointAddUpToTheLogarithm() {
    try (var scope = Scope.withoutGradients()) {
      Neighbours near = Neighbours.of(tensor(groups(6)), 15, Metric.COSINE);
      double[] weights = FuzzyGraph.directed(near);
      for (int i = 0; i < near.points(); i++) {
        double sum = Arrays.stream(weights, 15 * i, 15 * i + 15).sum();
        assertThat(sum).isCloseTo(Math.log(15) / Math.log(2), within(1e-3));
      }
      FuzzyGraph graph = FuzzyGraph.of(near);
      for (int e = 0; e < graph.weights().length; e++) {
        int i = graph.from()[e];
        int j = graph.to()[e];
        assertThat(i).isLessThan(j);
        double one = weight(near, weights, i, j);
        double other = weight(near, weights, j, i);
        assertThat(graph.weights()[e]).isBetween(0.0, 1.0);
        assertThat(graph.weights()[e]).isCloseTo(one + other - one * other, within(1e-12));
      }
    }
  }

  private static double weight(Neighbours near, double[] weights, int i, int j) {
    int at = near.of(i).indexOf(j);
    return at < 0 ? 0 : weights[15 * i + at];
  }

  @Test
  void theCurveIsTheOneOfThePaper() {
    Curve curve = Curve.of(0.1, 1);
    assertThat(curve.a()).isCloseTo(1.577, within(2e-3));
    assertThat(curve.b()).isCloseTo(0.895, within(2e-3));
    double near = 1e-6;
    double value = value(curve, 0.7);
    double slope = (value(curve, 0.7 + near) - value) / near; // of ln, by squared distance
    assertThat(curve.pull(0.7) / 2).isCloseTo(slope, within(1e-4));
  }

  private static double value(Curve curve, double squared) {
    return Math.log(1 / (1 + curve.a() * Math.pow(squared, curve.b())));
  }

  @Test
  void aMapThatKeepsAllIsTrustedAndARandomOneIsNot() {
    try (var scope = Scope.withoutGradients()) {
      double[][] plane = new double[100][2];
      var random = new Random(9);
      for (double[] point : plane) {
        Arrays.setAll(point, _ -> random.nextGaussian());
      }
      Tensor x = tensor(plane).to(DType.F32);
      assertThat(Trust.of(x, plane, 10, Metric.EUCLIDEAN)).isEqualTo(1);
      double[][] other = new double[100][2];
      for (double[] point : other) {
        Arrays.setAll(point, _ -> random.nextGaussian());
      }
      assertThat(Trust.of(x, other, 10, Metric.EUCLIDEAN)).isBetween(0.35, 0.65);
      assertThatThrownBy(() -> Trust.of(x, other, 50, Metric.EUCLIDEAN))
          .hasMessageContaining("a k from 1 to below 50");
    }
  }
}
