package dev.fathom.concepts.map;

import dev.fathom.tensor.Tensor;
import java.util.OptionalInt;

/// Points of a plane, near each other where many-dimensional vectors are (UMAP: McInnes, Healy and
/// Melville 2018): weights of neighbourhood ([FuzzyGraph]), a start from the graph's own slow
/// directions ([Spectral]), and then edges that pull and random pairs that push.
///
///     pull  −2ab d^{2(b−1)} / (1 + a d^{2b}) · (y_i − y_j)
///     push  2b / ((0.001 + d²)(1 + a d^{2b})) · (y_i − y_j)
///
/// Each coordinate of a move is cut off at 4; the rate falls in a line from 1. The same input and
/// seed give the same map, on any number of cores.
///
/// It misleads: distances between groups, sizes of groups and empty room mean nothing; two maps are
/// not comparable. Look at [Trust] and at numbers of the original space.
///
/// Source: from the paper; written anew.
public final class Umap {
  private static final double CUT = 4;

  private Umap() {}

  /// How to map.
  ///
  /// @param neighbours k: how many of each point's neighbours count; small for detail
  /// @param leastDistance how near points may lie in the plane
  /// @param spread how far apart groups lie
  /// @param epochs rounds over the edges; empty for 500, or 200 of more than 10,000 points
  /// @param negatives random points that each pull is joined by
  public record Config(
      int neighbours,
      double leastDistance,
      double spread,
      OptionalInt epochs,
      int negatives,
      Neighbours.Metric metric,
      long seed) {
    public Config {
      if (neighbours < 2 || !(spread > 0) || !(leastDistance >= 0) || leastDistance > spread) {
        throw new IllegalArgumentException(
            ("a map takes at least 2 neighbours and a least distance from 0 to the spread, found"
                    + " %d, %s and %s")
                .formatted(neighbours, leastDistance, spread));
      }
      if (negatives < 0 || epochs.orElse(1) < 1) {
        throw new IllegalArgumentException(
            "a map takes at least 1 epoch and 0 negatives, found %d and %d"
                .formatted(epochs.orElse(1), negatives));
      }
    }

    /// 15 neighbours by cosine, least distance 0.1, spread 1, 5 negatives, seed 42.
    public static Config standard() {
      return new Config(15, 0.1, 1, OptionalInt.empty(), 5, Neighbours.Metric.COSINE, 42);
    }

    public Config withNeighbours(int count) {
      return new Config(count, leastDistance, spread, epochs, negatives, metric, seed);
    }

    public Config withSeed(long seed) {
      return new Config(neighbours, leastDistance, spread, epochs, negatives, metric, seed);
    }

    public Config withEpochs(int count) {
      return new Config(
          neighbours, leastDistance, spread, OptionalInt.of(count), negatives, metric, seed);
    }

    public Config with(Neighbours.Metric metric) {
      return new Config(neighbours, leastDistance, spread, epochs, negatives, metric, seed);
    }

    private int epochs(int points) {
      return epochs.orElse(points <= 10_000 ? 500 : 200);
    }
  }

  /// The map of some vectors.
  ///
  /// @param x `[n, d]`, at least 3 points
  /// @return `[n][2]`
  public static double[][] of(Tensor x, Config config) {
    int n = Math.toIntExact(x.size(0));
    if (n < 3) {
      throw new IllegalArgumentException("a map takes at least 3 points, found " + n);
    }
    FuzzyGraph graph = FuzzyGraph.of(Neighbours.of(x, config.neighbours, config.metric));
    double[][] start = Spectral.start(graph, config.seed);
    Curve curve = Curve.of(config.leastDistance, config.spread);
    return settled(start, graph, curve, config.epochs(n), config.negatives, config.seed);
  }

  /// Pulls and pushes points until they have settled, in place.
  static double[][] settled(
      double[][] at, FuzzyGraph graph, Curve curve, int epochs, int negatives, long seed) {
    int edges = graph.weights().length;
    double most = 0;
    for (double weight : graph.weights()) {
      most = Math.max(most, weight);
    }
    double[] period = new double[edges]; // epochs from one turn of an edge to the next
    double[] due = new double[edges];
    for (int e = 0; e < edges; e++) {
      period[e] = most / graph.weights()[e];
      due[e] = period[e];
    }
    long state = seed;
    for (int epoch = 1; epoch <= epochs; epoch++) {
      double rate = 1 - (double) (epoch - 1) / epochs;
      for (int e = 0; e < edges; e++) {
        if (due[e] > epoch || period[e] > epochs) {
          continue;
        }
        due[e] += period[e];
        for (int way = 0; way < 2; way++) { // each end pulls, and is pushed
          double[] own = at[way == 0 ? graph.from()[e] : graph.to()[e]];
          double[] other = at[way == 0 ? graph.to()[e] : graph.from()[e]];
          move(own, other, curve.pull(squared(own, other)), rate, true);
          for (int i = 0; i < negatives; i++) {
            state += 0x9E3779B97F4A7C15L;
            double[] far = at[(int) Long.remainderUnsigned(mixed(state), at.length)];
            if (far != own) {
              double squared = squared(own, far);
              if (squared > 0) {
                move(own, far, curve.push(squared), rate, false);
              } else {
                own[0] += CUT * rate; // on top of each other
                own[1] += CUT * rate;
              }
            }
          }
        }
      }
    }
    return at;
  }

  private static double squared(double[] a, double[] b) {
    double dx = a[0] - b[0];
    double dy = a[1] - b[1];
    return dx * dx + dy * dy;
  }

  private static void move(double[] own, double[] other, double by, double rate, boolean both) {
    for (int i = 0; i < 2; i++) {
      double step = rate * Math.clamp(by * (own[i] - other[i]), -CUT, CUT);
      own[i] += step;
      if (both) {
        other[i] -= step;
      }
    }
  }

  /// SplittableRandom's mixing of a counter.
  private static long mixed(long z) {
    long a = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    long b = (a ^ (a >>> 27)) * 0x94D049BB133111EBL;
    return b ^ (b >>> 31);
  }
}
