package dev.fathom.explain;

import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// The maps of an [Ablation].
///
/// @param clean the metric of the unchanged run
/// @param effects what each ablation takes away, `[layer, position]`, in the metric's unit
public record AblationResult(
    Provenance provenance, Metric metric, double clean, SequencedMap<Ablation.Target, Grid> effects)
    implements Result {
  public AblationResult {
    effects = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(effects));
  }

  @Override
  public String method() {
    return "ablate";
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    effects.forEach((target, effect) ->
        views.add(
            View.HeatMap.of(
                    "Without " + target.title(),
                    "How much does the answer lose without it, there?",
                    effect,
                    Scale.diverging(metric.unit()))
                .bottomUp()));
    return views;
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    effects.forEach((target, effect) -> arrays.put("ablate_" + target.text(), effect));
    return arrays;
  }
}
