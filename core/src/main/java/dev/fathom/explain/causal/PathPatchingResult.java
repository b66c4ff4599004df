package dev.fathom.explain.causal;

import dev.fathom.explain.Metric;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;

/// What each head as a sender does through the receivers.
///
/// @param effect in the metric's unit, `[layer, head]`; 0 for senders that no receiver can hear
public record PathPatchingResult(
    Provenance provenance, Metric metric, String receivers, double clean, Grid effect)
    implements Result {
  @Override
  public String method() {
    return "path";
  }

  @Override
  public List<View> views() {
    return List.of(
        View.HeatMap.of(
                "Path patching to " + receivers,
                metric == Metric.KL
                    ? "How far does the prediction move when only this route from the head is corrupt?"
                    : String.format(
                        Locale.ROOT,
                        "How much does %s (%.2f) fall when only this route from the head is corrupt?",
                        metric.words(provenance.parameters()),
                        clean),
                effect,
                Scale.diverging(
                    metric == Metric.KL
                        ? "distance in " + metric.unit()
                        : "loss in " + metric.unit()))
            .bottomUp());
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("path_patch_head", effect);
    return arrays;
  }
}
