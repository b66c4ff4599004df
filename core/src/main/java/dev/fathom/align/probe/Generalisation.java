package dev.fathom.align.probe;

import dev.fathom.model.Slice;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/// Does a probe of one layer read another? (Thesis section 5.2.1, Fig 5.5.)
///
///     A[a][b] = AUC of θ_a on the held-out vectors of layer b
///
/// Where many probes read a layer, the class is kept in one direction over many layers; where only
/// its own does, each layer has a basis of its own there. The diagonal is each probe's own AUC.
///
/// @param layers what the probes were learnt on and are tried on
/// @param auc `[probe, layer]`
public record Generalisation(List<Slice> layers, Grid auc) {
  public Generalisation {
    layers = List.copyOf(layers);
    if (auc.rank() != 2
        || auc.axis(0).size() != layers.size()
        || auc.axis(1).size() != layers.size()) {
      throw new IllegalArgumentException(
          "the probes of %d layers need as many rows and columns, found %s"
              .formatted(layers.size(), auc));
    }
  }

  /// Tries the probes of all layers on all layers; one product a layer.
  ///
  /// @param slices of the same width
  /// @param probes the probe of each slice
  /// @param test places of the examples to try them on
  /// @param positive of each of these examples
  /// @throws IllegalArgumentException if the slices differ in width
  public static Generalisation of(
      Features features,
      List<Slice> slices,
      List<LogisticProbe> probes,
      List<Integer> test,
      boolean[] positive) {
    int count = slices.size();
    int width = probes.getFirst().width();
    if (probes.stream().anyMatch(probe -> probe.width() != width)) {
      throw new IllegalArgumentException(
          "probes can only be tried on layers as wide as their own: %s"
              .formatted(probes.stream().map(LogisticProbe::width).distinct().toList()));
    }
    double[] directions = new double[count * width];
    for (int a = 0; a < count; a++) {
      System.arraycopy(probes.get(a).direction(), 0, directions, a * width, width);
    }
    long[] places = test.stream().mapToLong(Integer::longValue).toArray();
    List<double[]> columns =
        Layerwise.of(
            count,
            layer -> {
              try (var scope = Scope.withoutGradients()) {
                Tensor x = features.at(slices.get(layer)).indexSelect(0, places).to(DType.F64);
                double[] scores = // [probes, examples]
                    Tensor.of(directions, count, width).matmul(x.transpose(0, 1)).toDoubles();
                return areas(scores, count, positive);
              }
            },
            () -> {});
    float[] values = new float[count * count];
    for (int a = 0; a < count; a++) {
      for (int b = 0; b < count; b++) {
        values[a * count + b] = (float) columns.get(b)[a];
      }
    }
    List<String> names = ProbingResult.names(slices);
    return new Generalisation(
        slices, Grid.real(List.of(Axis.of("probe", names), Axis.of("layer", names)), values));
  }

  private static double[] areas(double[] scores, int probes, boolean[] positive) {
    double[] areas = new double[probes];
    double[] own = new double[positive.length];
    for (int a = 0; a < probes; a++) {
      System.arraycopy(scores, a * own.length, own, 0, own.length);
      areas[a] = Auc.value(own, positive);
    }
    return areas;
  }

  /// S_b: for each layer the probes that act on it, as places among the layers, ascending; none
  /// where no probe reads it well enough.
  public List<List<Integer>> spans(SpanRule rule) {
    return IntStream.range(0, layers.size()).mapToObj(layer -> span(layer, rule)).toList();
  }

  /// The same, with the own probe of a layer where no probe reads it well enough.
  public List<List<Integer>> spansOrOwn(SpanRule rule) {
    List<List<Integer>> spans = spans(rule);
    return IntStream.range(0, spans.size())
        .mapToObj(layer -> spans.get(layer).isEmpty() ? List.of(layer) : spans.get(layer))
        .toList();
  }

  private List<Integer> span(int layer, SpanRule rule) {
    IntStream all = IntStream.range(0, layers.size());
    return switch (rule) {
      case SpanRule.Threshold(double least) ->
          all.filter(probe -> auc.at(probe, layer) > least).boxed().toList();
      case SpanRule.Relative(double share) ->
          all.filter(probe -> auc.at(probe, layer) > share * auc.at(layer, layer)).boxed().toList();
      case SpanRule.Quantile(double share) ->
          all.boxed()
              .sorted(
                  Comparator.comparingDouble((Integer probe) -> -auc.at(probe, layer))
                      .thenComparing(Comparator.naturalOrder()))
              .limit(Math.max(1, Math.round(share * layers.size())))
              .sorted()
              .toList();
      case SpanRule.Own() -> List.of(layer);
    };
  }
}
