package dev.fathom.explain.attention;

import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// What [CopyingScores] measured.
///
/// @param top how far up its own token must stand
/// @param copying share of tokens that a head copies, `[layer, head]`
public record CopyingScoresResult(Provenance provenance, int top, Grid copying) implements Result {
  @Override
  public String method() {
    return "attention-copying";
  }

  @Override
  public List<View> views() {
    return List.of(
        View.HeatMap.of(
                "Copying heads",
                "For which share of tokens does a head promote the token it looks at (among its %d best)?"
                    .formatted(top),
                copying,
                Scale.probability())
            .bottomUp(),
        HeadScoresResult.ranking(
            "Best copying heads", "Share of random tokens", copying, "share of tokens"));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("head_copying", copying);
    return arrays;
  }
}
