package dev.fathom.explain.lens;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// What training brought a [TunedLens], on text it was not trained on.
///
/// @param logit mean KL from the model's prediction to the logit lens', `[layer]`, nats
/// @param tuned the same to the tuned lens'
public record TunedLensReport(Provenance provenance, Grid logit, Grid tuned) implements Result {
  @Override
  public String method() {
    return "lens-train";
  }

  @Override
  public List<View> views() {
    Axis layers = logit.axis(0);
    return List.of(
        View.Lines.over(
            "Distance to the final prediction",
            "How far is what each layer seems to say from what the model says, on held-out text?",
            layers,
            View.Panel.of(
                "KL in nats",
                View.Series.of("logit lens", logit),
                View.Series.of("tuned lens", tuned))));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("kl_logit", logit);
    arrays.put("kl_tuned", tuned);
    return arrays;
  }
}
