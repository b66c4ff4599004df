package dev.fathom.align.probe;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// How two classes lie along a probe and along the one orthogonal to it: do they form two clusters,
/// and how far do these overlap (thesis Fig 4.9)?
///
/// Overlap is the intersection of two histograms, `Σ min(p, q)`: 0 for classes that share no cell,
/// 1 for classes that lie alike. It depends on the cells, and few examples make it low: of 100 of
/// each class it is about 0.8 where nothing tells them apart.
///
/// @param coordinates `θ·x`, `[text, probe]`, of one probe or two
/// @param overlaps along each of them
/// @param overlap in the plane of both; of one probe, along it
public record Geometry(Grid coordinates, List<Double> overlaps, double overlap) {
  private static final int MOST_CELLS = 30;
  private static final int CURVE = 80;

  public Geometry {
    overlaps = List.copyOf(overlaps);
  }

  /// @param projections of the examples on each probe; what is beyond the second is left out
  static Geometry of(List<double[]> projections, boolean[] positive) {
    List<double[]> axes = projections.subList(0, Math.min(2, projections.size()));
    int n = positive.length;
    float[] values = new float[n * axes.size()];
    var overlaps = new ArrayList<Double>();
    int least = Math.min(LogisticFit.count(positive), n - LogisticFit.count(positive));
    int cells = Math.clamp(Math.round(Math.sqrt(least)), 4, MOST_CELLS);
    for (int a = 0; a < axes.size(); a++) {
      for (int i = 0; i < n; i++) {
        values[i * axes.size() + a] = (float) axes.get(a)[i];
      }
      overlaps.add(shared(cells(axes.get(a), cells), cells, positive));
    }
    var coordinates =
        Grid.real(List.of(Axis.index("text", n), Axis.index("probe", axes.size())), values);
    if (axes.size() < 2) {
      return new Geometry(coordinates, overlaps, overlaps.getFirst());
    }
    int side = Math.clamp(Math.round(Math.cbrt(least)), 3, MOST_CELLS);
    int[] across = cells(axes.getFirst(), side);
    int[] up = cells(axes.getLast(), side);
    for (int i = 0; i < n; i++) {
      across[i] = across[i] * side + up[i];
    }
    return new Geometry(coordinates, overlaps, shared(across, side * side, positive));
  }

  /// The cell of each value among as many between the least and the greatest.
  private static int[] cells(double[] values, int cells) {
    double low = Arrays.stream(values).min().orElse(0);
    double high = Arrays.stream(values).max().orElse(0);
    double width = high > low ? (high - low) / cells : 1;
    return Arrays.stream(values)
        .mapToInt(value -> (int) Math.clamp((value - low) / width, 0, cells - 1))
        .toArray();
  }

  private static double shared(int[] cell, int cells, boolean[] positive) {
    double[] ones = new double[cells];
    double[] zeros = new double[cells];
    double positives = LogisticFit.count(positive);
    double negatives = positive.length - positives;
    for (int i = 0; i < cell.length; i++) {
      if (positive[i]) {
        ones[cell[i]] += 1 / positives;
      } else {
        zeros[cell[i]] += 1 / negatives;
      }
    }
    double shared = 0;
    for (int c = 0; c < cells; c++) {
      shared += Math.min(ones[c], zeros[c]);
    }
    return shared;
  }

  /// Evenly spaced places along a probe's axis, a little beyond all examples.
  float[] places(int axis) {
    double low = Double.POSITIVE_INFINITY;
    double high = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < coordinates.axis(0).size(); i++) {
      low = Math.min(low, coordinates.at(i, axis));
      high = Math.max(high, coordinates.at(i, axis));
    }
    double room = high > low ? (high - low) / 10 : 1;
    float[] places = new float[CURVE];
    for (int p = 0; p < CURVE; p++) {
      places[p] = (float) (low - room + (high - low + 2 * room) * p / (CURVE - 1));
    }
    return places;
  }

  /// The density of one class at these places: Gaussian kernels of Silverman's width (1986).
  float[] density(int axis, float[] places, List<Boolean> positive, boolean side) {
    double[] own = new double[coordinates.axis(0).size()];
    int n = 0;
    for (int i = 0; i < own.length; i++) {
      if (positive.get(i) == side) {
        own[n++] = coordinates.at(i, axis);
      }
    }
    own = Arrays.copyOf(own, n);
    double width = width(own);
    float[] density = new float[places.length];
    for (int p = 0; p < places.length; p++) {
      double sum = 0;
      for (double value : own) {
        double gap = (places[p] - value) / width;
        sum += Math.exp(-gap * gap / 2);
      }
      density[p] = (float) (sum / (n * width * Math.sqrt(2 * Math.PI)));
    }
    return density;
  }

  private static double width(double[] values) {
    Arrays.sort(values);
    double mean = Arrays.stream(values).average().orElse(0);
    double deviation =
        Math.sqrt(
            Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum()
                / Math.max(1, values.length - 1));
    double middle = values[values.length * 3 / 4] - values[values.length / 4];
    double spread = middle > 0 ? Math.min(deviation, middle / 1.34) : deviation;
    return spread > 0
        ? 0.9 * spread * Math.pow(values.length, -0.2)
        : Math.max(1e-6, 1e-6 * Math.abs(mean));
  }
}
