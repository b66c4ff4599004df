package dev.fathom.explain.causal;

import dev.fathom.data.TokenSpan;
import dev.fathom.explain.Metric;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;

/// The maps of a [CausalTracing].
///
/// @param startToken whether position 0 is a start token
/// @param high the metric of the clean run
/// @param low its mean over the noisy runs, nothing put back
/// @param maps what putting states back restores
public record TracingResult(
    Provenance provenance,
    Metric metric,
    boolean startToken,
    TokenSpan subject,
    double high,
    double low,
    SequencedMap<CausalTracing.State, Map> maps)
    implements Result {
  /// @param score mean metric with the state put back, `[layer, position]`
  /// @param error its standard error over the noise samples; NaN of one sample
  public record Map(Grid score, Grid error) {}

  public TracingResult {
    maps = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(maps));
  }

  @Override
  public String method() {
    return "trace";
  }

  /// `high − low`: what the noise destroys; for [Metric#KL], which is 0 on the clean run, `low`.
  public double totalEffect() {
    return restored(high);
  }

  /// What an answer has gained on the noisy run, for a metric that has become `score`.
  private double restored(double score) {
    return metric == Metric.KL ? low - score : score - low;
  }

  /// `score − low` of each cell: what putting it back restores; for [Metric#KL] `low − score`.
  public Grid indirectEffect(CausalTracing.State state) {
    Grid score = Objects.requireNonNull(maps.get(state), state.title()).score();
    float[] values = score.values();
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) restored(values[i]);
    }
    return Grid.real(score.axes(), values);
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    maps.forEach((state, map) -> views.add(heatMap(state, map)));
    maps.forEach((state, map) -> views.add(curves(state, map)));
    views.add(
        View.Text.of(
            "Clean and noisy",
            String.format(
                Locale.ROOT,
                "Clean, %s is %.4f; with a noisy subject %.4f: the noise destroys %.4f.",
                metric.words(provenance.parameters()),
                high,
                low,
                totalEffect())));
    return views;
  }

  private View heatMap(CausalTracing.State state, Map map) {
    var details = new ArrayList<List<List<String>>>();
    for (int layer = 0; layer < map.score.axis(0).size(); layer++) {
      var row = new ArrayList<List<String>>();
      for (int p = 0; p < map.score.axis(1).size(); p++) {
        row.add(
            List.of(
                String.format(
                    Locale.ROOT,
                    "%.4f ± %.4f (standard error)",
                    map.score.at(layer, p),
                    map.error.at(layer, p))));
      }
      details.add(row);
    }
    var view =
        View.HeatMap.of(
                "Putting back " + state.title(),
                "How much of the answer returns when this one state is as if there were no noise?",
                indirectEffect(state),
                Scale.diverging("restored " + metric.unit()))
            .withDetails(details)
            .bottomUp();
    return startToken ? view.withUnscaled(Set.of(0)) : view;
  }

  /// The two places that matter most, with their intervals: the subject's last token and the last
  /// token of all.
  private View curves(CausalTracing.State state, Map map) {
    int last = map.score.axis(1).size() - 1;
    Axis layers = map.score.axis(0);
    return View.Lines.over(
        "By layer: " + state.title(),
        "At which layers does putting it back help, at the subject's last token and at the last token?",
        layers,
        View.Panel.of(
            metric.unit(),
            series("subject's last token", map, subject.last()),
            series("last token", map, last)));
  }

  private static View.Series series(String name, Map map, int position) {
    int layers = map.score.axis(0).size();
    float[] low = new float[layers];
    float[] high = new float[layers];
    float[] values = new float[layers];
    for (int layer = 0; layer < layers; layer++) {
      double error = map.error.at(layer, position);
      double half = Double.isNaN(error) ? 0 : 1.96 * error;
      values[layer] = (float) map.score.at(layer, position);
      low[layer] = (float) (values[layer] - half);
      high[layer] = (float) (values[layer] + half);
    }
    Axis axis = map.score.axis(0);
    return View.Series.of(name, Grid.vector(axis, values))
        .within(Grid.vector(axis, low), Grid.vector(axis, high));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    maps.forEach((state, map) -> {
      arrays.put("trace_" + state.text(), map.score);
      arrays.put("trace_%s_standard_error".formatted(state.text()), map.error);
    });
    return arrays;
  }
}
