package dev.fathom.explain.attention;

import dev.fathom.explain.HeadIndex;
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
import java.util.Locale;
import java.util.SequencedMap;

/// What [HeadScores] measured.
///
/// @param scores mean attention where the job wants it, `[layer, head]`
public record HeadScoresResult(Provenance provenance, SequencedMap<HeadScores.Job, Grid> scores)
    implements Result {
  private static final int RANKED = 8;

  public HeadScoresResult {
    scores = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(scores));
  }

  @Override
  public String method() {
    return "attention-heads";
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    scores.forEach((job, grid) -> {
      views.add(
          View.HeatMap.of(
                  job.title() + " heads",
                  switch (job) {
                    case INDUCTION -> "Which heads look at what followed this token before?";
                    case PREVIOUS -> "Which heads look at the token before?";
                    case DUPLICATE -> "Which heads look at where this token was before?";
                  },
                  grid,
                  Scale.probability())
              .bottomUp());
      views.add(
          ranking(
              "Best " + job.title().toLowerCase(Locale.ROOT) + " heads",
              "Mean attention on random tokens",
              grid,
              "attention"));
    });
    return views;
  }

  /// The heads with the largest values of a `[layer, head]` grid.
  static View.Ranking ranking(String title, String question, Grid grid, String unit) {
    var items = new ArrayList<View.Item>();
    for (int layer = 0; layer < grid.axis(0).size(); layer++) {
      for (int head = 0; head < grid.axis(1).size(); head++) {
        double value = grid.at(layer, head);
        if (!Double.isNaN(value)) {
          items.add(View.Item.of(new HeadIndex(layer, head).toString(), value));
        }
      }
    }
    items.sort(Comparator.comparingDouble(View.Item::value).reversed());
    return new View.Ranking(
        title, question, items.subList(0, Math.min(RANKED, items.size())), unit);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    scores.forEach((job, grid) -> arrays.put("head_" + job.text(), grid));
    return arrays;
  }
}
