package dev.fathom.explain.attention;

import dev.fathom.explain.HeadIndex;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// What an [OvReading] found.
///
/// @param ownRank tokens that the head promotes more than the one it looks at, `[position]`
/// @param topIds promoted most, `[position, rank]`
/// @param topLogits by how much
/// @param bottomIds suppressed most
/// @param bottomLogits by how much
/// @param top `topIds` as text
/// @param bottom `bottomIds` as text
public record OvReadingResult(
    Provenance provenance,
    HeadIndex head,
    Grid ownRank,
    Grid topIds,
    Grid topLogits,
    Grid bottomIds,
    Grid bottomLogits,
    List<List<String>> top,
    List<List<String>> bottom)
    implements Result {
  @Override
  public String method() {
    return "attention-ov";
  }

  @Override
  public List<View> views() {
    var rows = new ArrayList<List<View.Cell>>();
    for (int p = 0; p < top.size(); p++) {
      rows.add(
          List.of(
              View.Cell.of(ownRank.axis(0).label(p)),
              View.Cell.of(ownRank.at(p)),
              View.Cell.of(String.join(" ", top.get(p))),
              View.Cell.of(topLogits.at(p, 0)),
              View.Cell.of(String.join(" ", bottom.get(p))),
              View.Cell.of(bottomLogits.at(p, 0))));
    }
    return List.of(
        new View.Table(
            "What head " + head + " writes",
            "What does it make likelier, and what less, when it looks at this token? Own rank 0 means that it copies.",
            List.of("token", "own rank", "promoted", "most, logits", "suppressed", "least, logits"),
            rows));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("ov_own_rank", ownRank);
    arrays.put("ov_top_id", topIds);
    arrays.put("ov_top_logit", topLogits);
    arrays.put("ov_bottom_id", bottomIds);
    arrays.put("ov_bottom_logit", bottomLogits);
    return arrays;
  }
}
