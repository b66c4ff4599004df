package dev.fathom.explain.attention;

import dev.fathom.explain.HeadIndex;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// What a [QkReading] found.
///
/// @param scores before the softmax, `[query, key]`; NaN where a causal query cannot look
/// @param soughtIds keys of the vocabulary with the highest scores, `[query, rank]`
/// @param soughtScores their scores
/// @param sought `soughtIds` as text
public record QkReadingResult(
    Provenance provenance,
    HeadIndex head,
    Grid scores,
    Grid soughtIds,
    Grid soughtScores,
    List<List<String>> sought)
    implements Result {
  @Override
  public String method() {
    return "attention-qk";
  }

  @Override
  public List<View> views() {
    var rows = new ArrayList<List<View.Cell>>();
    for (int q = 0; q < sought.size(); q++) {
      rows.add(
          List.of(
              View.Cell.of(scores.axis(0).label(q)),
              View.Cell.of(String.join(" ", sought.get(q))),
              View.Cell.of(soughtScores.at(q, 0))));
    }
    return List.of(
        View.HeatMap.of(
                "What head " + head + " scores",
                "How well does each key (column) answer each query (row)? Compare within a row.",
                scores,
                Scale.diverging("score"))
            .withUnscaledSink(),
        new View.Table(
            "What head " + head + " looks for",
            "Which tokens of the vocabulary would each token score highest, positions left out?",
            List.of("token", "looks for", "highest score"),
            rows));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("qk_scores", scores);
    arrays.put("qk_sought_id", soughtIds);
    arrays.put("qk_sought_score", soughtScores);
    return arrays;
  }
}
