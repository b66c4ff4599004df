package dev.fathom.explain.attention;

import dev.fathom.explain.HeadIndex;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/// What [Composition] found.
///
/// @param heads heads of each layer
/// @param head the later head to draw, or none for the strongest pairs
/// @param scores `[from, to]` over all heads, layer by layer; NaN where `to` is not in a later
///   layer
public record CompositionResult(
    Provenance provenance,
    int heads,
    Optional<HeadIndex> head,
    SequencedMap<Composition.Input, Grid> scores)
    implements Result {
  private static final int RANKED = 8;

  public CompositionResult {
    scores = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(scores));
  }

  @Override
  public String method() {
    return "attention-composition";
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    scores.forEach((input, grid) ->
        views.add(head.map(to -> senders(input, grid, to)).orElseGet(() -> pairs(input, grid))));
    return views;
  }

  private View senders(Composition.Input input, Grid grid, HeadIndex to) {
    int layers = grid.axis(0).size() / heads;
    float[] column = grid.select(1, to.layer() * heads + to.head()).values();
    return View.HeatMap.of(
            "What the %s of head %s can read".formatted(input.title(), to),
            "Which earlier heads write where its %s read?".formatted(input.title()),
            Grid.real(List.of(Axis.index("layer", layers), Axis.index("head", heads)), column),
            Scale.sequential("composition score"))
        .bottomUp();
  }

  private static View pairs(Composition.Input input, Grid grid) {
    var items = new ArrayList<View.Item>();
    for (int from = 0; from < grid.axis(0).size(); from++) {
      for (int to = 0; to < grid.axis(1).size(); to++) {
        double value = grid.at(from, to);
        if (!Double.isNaN(value)) {
          items.add(View.Item.of(grid.axis(0).label(from) + " → " + grid.axis(1).label(to), value));
        }
      }
    }
    items.sort(Comparator.comparingDouble(View.Item::value).reversed());
    return new View.Ranking(
        "Strongest composition through " + input.title(),
        "Which pairs of heads have weights made for each other?",
        items.subList(0, Math.min(RANKED, items.size())),
        "composition score");
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    scores.forEach((input, grid) -> arrays.put("composition_" + input.text(), grid));
    return arrays;
  }
}
