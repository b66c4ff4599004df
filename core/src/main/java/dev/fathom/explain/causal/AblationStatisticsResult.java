package dev.fathom.explain.causal;

import dev.fathom.explain.Metric;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;

/// What [AblationStatistics] found over many prompts.
///
/// @param prompts how many
/// @param byRole whether columns are roles ([TokenRole]) rather than positions
/// @param startToken whether column 0 of maps by position is a start token
/// @param clean the metric of the unchanged runs
/// @param effects what each ablation takes away, `[layer, token role or position]`, of heads
///   `[layer, head]`, in the metric's unit
public record AblationStatisticsResult(
    Provenance provenance,
    Metric metric,
    int prompts,
    boolean byRole,
    boolean startToken,
    MeanMap.Average clean,
    SequencedMap<Ablation.Part, MeanMap> effects)
    implements Result {
  public AblationStatisticsResult {
    effects = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(effects));
  }

  @Override
  public String method() {
    return "ablate-statistics";
  }

  /// What taking one part away takes from answers.
  public MeanMap effect(Ablation.Part part) {
    return Objects.requireNonNull(effects.get(part), part.title());
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    effects.forEach((part, effect) -> views.add(map(part, effect)));
    String many =
        metric == Metric.KL
            ? "%,d prompts.".formatted(prompts)
            : "%,d prompts; the unchanged model's %s is %s on average."
                .formatted(prompts, metric.noun(), clean.words());
    views.add(
        byRole ? View.Text.of("In short", many, TokenRole.LEGEND) : View.Text.of("In short", many));
    return views;
  }

  private View map(Ablation.Part part, MeanMap effect) {
    boolean heads = part == Ablation.Part.HEAD;
    String question =
        (metric == Metric.KL
                ? "How far does the prediction move on average without %s?"
                : "How much does the answer lose on average without %s?")
            .formatted(
                heads ? "this head, at all positions" : "it, at this layer and a token like this");
    var view =
        effect.view(
            "Without %s, mean over %,d prompts".formatted(part.title(), prompts),
            question,
            (metric == Metric.KL ? "" : "loss in ") + metric.unit());
    return startToken && !heads ? view.withUnscaled(Set.of(0)) : view;
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("ablate_clean", clean.grid());
    effects.forEach((part, effect) -> effect.putInto(arrays, "ablate_" + part.text()));
    return arrays;
  }
}
