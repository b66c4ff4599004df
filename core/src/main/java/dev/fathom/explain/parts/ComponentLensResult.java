package dev.fathom.explain.parts;

import dev.fathom.explain.lens.TopTokens;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.Set;

/// The [ComponentLens] of some parts. Rows are layers or parts, columns positions or heads.
///
/// @param component what was read, as text
/// @param target the output that is followed, as text
/// @param startToken whether column 0 is a start token, which stands for no text
/// @param top the best tokens of each part
/// @param logit what each part adds to the target's logit at its position, whichever the norm; no
///   biases, before a soft-cap
public record ComponentLensResult(
    Provenance provenance,
    String component,
    ComponentLens.Normalization normalization,
    String target,
    boolean startToken,
    TopTokens top,
    Grid logit)
    implements Result {

  @Override
  public String method() {
    return "component-lens";
  }

  @Override
  public List<View> views() {
    return List.of(heatMap(), logits());
  }

  /// What each part says.
  public View heatMap() {
    return View.HeatMap.of(
            "Lens of %s, %s norm".formatted(component, normalization.text()),
            "What would the model say next if it read only this part?",
            top.best(),
            Scale.probability())
        .withLabels(top.labels())
        .withDetails(details())
        .withUnscaled(unscaled())
        .bottomUp();
  }

  /// What each part adds to the target.
  public View logits() {
    return View.HeatMap.of(
            "Logit of '%s' from %s".formatted(target, component),
            "How much does each part add to it?",
            logit,
            Scale.diverging("logits"))
        .withDetails(details())
        .withUnscaled(unscaled())
        .bottomUp();
  }

  private Set<Integer> unscaled() {
    return startToken ? Set.of(0) : Set.of();
  }

  private List<List<List<String>>> details() {
    var rows = new ArrayList<List<List<String>>>();
    for (int row = 0; row < logit.shape()[0]; row++) {
      var cells = new ArrayList<List<String>>();
      for (int column = 0; column < logit.shape()[1]; column++) {
        var lines = new ArrayList<>(top.details(row, column));
        lines.add(
            String.format(
                Locale.ROOT,
                "target '%s': p %.4f, adds %+.3f logits",
                target,
                top.target().at(row, column),
                logit.at(row, column)));
        cells.add(lines);
      }
      rows.add(cells);
    }
    return rows;
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("component_top_id", top.ids());
    arrays.put("component_top_prob", top.probability());
    arrays.put("component_target_prob", top.target());
    arrays.put("component_target_logit", logit);
    return arrays;
  }
}
