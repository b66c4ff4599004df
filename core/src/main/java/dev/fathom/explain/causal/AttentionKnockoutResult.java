package dev.fathom.explain.causal;

import dev.fathom.explain.Metric;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// The map of an [AttentionKnockout].
///
/// @param clean the metric of the unchanged run
/// @param window layers changed together
/// @param effect what hiding a token around a layer takes away, `[layer, position]`, in the
///   metric's unit
public record AttentionKnockoutResult(
    Provenance provenance, Metric metric, double clean, int window, Grid effect) implements Result {
  @Override
  public String method() {
    return "attention-knockout";
  }

  @Override
  public List<View> views() {
    return List.of(
        View.HeatMap.of(
                "Without a look at one token",
                "How much does the answer lose when it cannot look at this token in %d layers around this one?"
                    .formatted(window),
                effect,
                Scale.diverging(metric.unit()))
            .withUnscaledSink()
            .bottomUp());
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("knockout", effect);
    return arrays;
  }
}
