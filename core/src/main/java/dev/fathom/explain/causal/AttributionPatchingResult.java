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
import java.util.Locale;
import java.util.Objects;
import java.util.SequencedMap;

/// Estimates beside the exact values, as differences from the base run's metric.
///
/// @param estimated by the gradient, `[layer, position]` or `[layer, head]`
/// @param exact by patching, of the same axes
/// @param correlation Spearman's, for each part
public record AttributionPatchingResult(
    Provenance provenance,
    Metric metric,
    SequencedMap<Patching.Part, Grid> estimated,
    SequencedMap<Patching.Part, Grid> exact,
    SequencedMap<Patching.Part, Double> correlation)
    implements Result {
  public AttributionPatchingResult {
    estimated = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(estimated));
    exact = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(exact));
    correlation = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(correlation));
  }

  @Override
  public String method() {
    return "attribution-patching";
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    var points = new ArrayList<View.Point>();
    estimated.forEach((part, grid) -> {
      float[] estimates = grid.values();
      float[] exactly = Objects.requireNonNull(exact.get(part)).values();
      int columns = grid.axis(1).size();
      for (int i = 0; i < estimates.length; i++) {
        points.add(
            View.Point.of(
                exactly[i],
                estimates[i],
                "%s.%d %s %s"
                    .formatted(
                        part.text(),
                        i / columns,
                        grid.axis(1).name(),
                        grid.axis(1).label(i % columns)),
                part.text()));
      }
      views.add(
          View.HeatMap.of(
                  "Estimated effect of " + part.title(),
                  String.format(
                      Locale.ROOT,
                      "What would patching it change? (rank correlation with exact patching %.2f)",
                      correlation.get(part)),
                  grid,
                  Scale.diverging("change in " + metric.unit()))
              .bottomUp());
    });
    views.addFirst(
        View.Scatter.of(
                "Estimated and exact",
                "Does the gradient's estimate agree with patching itself?",
                "exact change in " + metric.unit(),
                "estimated change in " + metric.unit(),
                points)
            .withDiagonal());
    return views;
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    estimated.forEach((part, grid) -> arrays.put("attribution_patch_" + part.text(), grid));
    exact.forEach((part, grid) -> arrays.put("exact_patch_" + part.text(), grid));
    return arrays;
  }
}
