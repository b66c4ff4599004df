package dev.fathom.explain.causal;

import dev.fathom.explain.Metric;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;

/// The maps of an [Ablation].
///
/// @param startToken whether position 0 is a start token, which is left out of the colour scale
/// @param clean the metric of the unchanged run
/// @param effects what each ablation takes away, `[layer, position]`, of heads `[layer, head]`, in
///   the metric's unit
public record AblationResult(
    Provenance provenance,
    Metric metric,
    boolean startToken,
    double clean,
    SequencedMap<Ablation.Part, Grid> effects)
    implements Result {
  public AblationResult {
    effects = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(effects));
  }

  @Override
  public String method() {
    return "ablate";
  }

  /// What taking one part away takes from the answer.
  public Grid effect(Ablation.Part part) {
    return Objects.requireNonNull(effects.get(part), part.title());
  }

  /// This and the map of the answer's next token, whose prompt is one token longer: what is added
  /// to a cell is the effect at the same place.
  AblationResult plus(AblationResult next) {
    var sums = new LinkedHashMap<Ablation.Part, Grid>();
    effects.forEach((part, effect) -> {
      Grid more = next.effect(part);
      int columns = effect.axis(1).size();
      float[] values = effect.values();
      for (int i = 0; i < values.length; i++) {
        values[i] += (float) more.at(i / columns, i % columns);
      }
      sums.put(part, Grid.real(effect.axes(), values));
    });
    var parameters = new LinkedHashMap<>(provenance.parameters());
    parameters.merge(
        "target", next.provenance.parameters().getOrDefault("target", ""), String::concat);
    var both =
        new Provenance(
            provenance.model(),
            provenance.weights(),
            provenance.version(),
            provenance.tokenIds(),
            provenance.tokens(),
            parameters,
            provenance.seed(),
            provenance.dtype(),
            provenance.seconds() + next.provenance.seconds(),
            next.provenance.peakBytes());
    return new AblationResult(both, metric, startToken, clean + next.clean, sums);
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    effects.forEach((part, effect) -> views.add(map(part, effect)));
    return views;
  }

  private View map(Ablation.Part part, Grid effect) {
    boolean heads = part == Ablation.Part.HEAD;
    var map =
        View.HeatMap.of(
                "Without " + part.title(),
                "%s without %s?"
                    .formatted(
                        metric == Metric.KL
                            ? "How far does the prediction move"
                            : "How much does %s fall"
                                .formatted(metric.words(provenance.parameters())),
                        heads ? "this head, at all positions" : "it, at this layer and position"),
                effect,
                Scale.diverging((metric == Metric.KL ? "" : "loss in ") + metric.unit()))
            .bottomUp();
    return startToken && !heads ? map.withUnscaled(Set.of(0)) : map;
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    effects.forEach((part, effect) -> arrays.put("ablate_" + part.text(), effect));
    return arrays;
  }
}
