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

/// The patterns of [AttentionPatterns].
///
/// @param attention `[layer, head, query, key]`, each row of keys sums to 1
/// @param shown heads to draw large; empty for a page of all
public record AttentionPatternsResult(Provenance provenance, Grid attention, List<HeadIndex> shown)
    implements Result {
  public AttentionPatternsResult {
    shown = List.copyOf(shown);
  }

  /// The same numbers, only these heads drawn, each large.
  public AttentionPatternsResult showing(List<HeadIndex> heads) {
    return new AttentionPatternsResult(provenance, attention, heads);
  }

  @Override
  public String method() {
    return "attention-patterns";
  }

  @Override
  public List<View> views() {
    if (shown.isEmpty()) {
      var panels = new ArrayList<View.HeatMap>();
      for (int layer = 0; layer < attention.axis(0).size(); layer++) {
        for (int head = 0; head < attention.axis(1).size(); head++) {
          panels.add(map(new HeadIndex(layer, head), ""));
        }
      }
      return List.of(
          new View.SmallMultiples(
              "Attention of every head",
              "Where does each head (layer.head) look? Rows are queries, columns keys; the first key is left out of the colours.",
              panels,
              Scale.sequential("attention")));
    }
    return shown.stream()
        .map(head -> (View) map(head, "Which keys (columns) does each query (row) look at?"))
        .toList();
  }

  private View.HeatMap map(HeadIndex head, String question) {
    return View.HeatMap.of(
            question.isEmpty() ? head.toString() : "Attention of head " + head,
            question,
            attention.select(0, head.layer()).select(0, head.head()),
            Scale.sequential("attention"))
        .withUnscaledSink();
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("attention", attention);
    return arrays;
  }
}
