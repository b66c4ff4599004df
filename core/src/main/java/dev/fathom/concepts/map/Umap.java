package dev.fathom.concepts.map;

import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.stream.IntStream;

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

  /// Pulls and pushes points until they have settled, from where they start.
  static double[][] settled(
      double[][] start, FuzzyGraph graph, Curve curve, int epochs, int negatives, long seed) {
    int n = start.length;
    double[] at = new double[2 * n]; // x and y of each point
    for (int i = 0; i < n; i++) {
      at[2 * i] = start[i][0];
      at[2 * i + 1] = start[i][1];
    }
    double most = Arrays.stream(graph.weights()).max().orElse(1);
    int[] edges = // those that have a turn at all
        IntStream.range(0, graph.weights().length)
            .filter(e -> most / graph.weights()[e] <= epochs)
            .toArray();
    int[] from = IntStream.of(edges).map(e -> 2 * graph.from()[e]).toArray();
    int[] to = IntStream.of(edges).map(e -> 2 * graph.to()[e]).toArray();
    double[] period = IntStream.of(edges).mapToDouble(e -> most / graph.weights()[e]).toArray();
    double[] due = period.clone(); // epochs from one turn of an edge to the next
    long state = seed;
    for (int epoch = 1; epoch <= epochs; epoch++) {
      double rate = 1 - (double) (epoch - 1) / epochs;
      for (int e = 0; e < period.length; e++) {
        if (due[e] <= epoch) {
          due[e] += period[e];
          state = turn(at, from[e], to[e], curve, rate, negatives, state);
          state = turn(at, to[e], from[e], curve, rate, negatives, state);
        }
      }
    }
    double[][] settled = new double[n][];
    Arrays.setAll(settled, i -> new double[] {at[2 * i], at[2 * i + 1]});
    return settled;
  }

  /// One end of an edge and the other pull each other, and random points push the one.
  private static long turn(
      double[] at, int own, int other, Curve curve, double rate, int negatives, long drawn) {
    double x = at[own];
    double y = at[own + 1];
    double dx = x - at[other];
    double dy = y - at[other + 1];
    double by = curve.pull(dx * dx + dy * dy);
    double stepX = rate * Math.clamp(by * dx, -CUT, CUT);
    double stepY = rate * Math.clamp(by * dy, -CUT, CUT);
    x += stepX;
    y += stepY;
    at[other] -= stepX;
    at[other + 1] -= stepY;
    long state = drawn;
    for (int i = 0; i < negatives; i++) {
      state += 0x9E3779B97F4A7C15L;
      int far = 2 * (int) Math.unsignedMultiplyHigh(mixed(state), at.length / 2);
      if (far != own) {
        dx = x - at[far];
        dy = y - at[far + 1];
        double squared = dx * dx + dy * dy;
        if (squared > 0) {
          by = curve.push(squared);
          x += rate * Math.clamp(by * dx, -CUT, CUT);
          y += rate * Math.clamp(by * dy, -CUT, CUT);
        } else { // on top of each other
          x += CUT * rate;
          y += CUT * rate;
        }
      }
    }
    at[own] = x;
    at[own + 1] = y;
    return state;
  }

  /// SplittableRandom's mixing of a counter.
  private static long mixed(long z) {
    long a = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    long b = (a ^ (a >>> 27)) * 0x94D049BB133111EBL;
    return b ^ (b >>> 31);
  }
}
