package dev.fathom.explain.lens;

import dev.fathom.view.Axis;
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

/// Which premature layer [Dola] contrasted each token of a text with.
///
/// @param candidates layers it chose from
/// @param mature the last layer
/// @param layers the premature layer of each token, `[token]`
/// @param scores `ln p_N − ln p_M` of each token, [Dola#EXCLUDED] outside the head set, `[token]`
public record DolaResult(
    Provenance provenance, List<Integer> candidates, int mature, Grid layers, Grid scores)
    implements Result {
  public DolaResult {
    candidates = List.copyOf(candidates);
  }

  @Override
  public String method() {
    return "dola";
  }

  @Override
  public List<View> views() {
    Axis tokens = layers.axis(0);
    var strip = new ArrayList<View.Token>();
    int[] counts = new int[candidates.size()];
    for (int t = 0; t < tokens.size(); t++) {
      long layer = layers.integerAt(t);
      counts[candidates.indexOf((int) layer)]++;
      double score = scores.at(t);
      strip.add(
          new View.Token(
              tokens.label(t),
              layer,
              List.of(
                  "contrasted with layer %d of %d".formatted(layer, mature),
                  score == Dola.EXCLUDED
                      ? "too unlikely to be chosen"
                      : String.format(Locale.ROOT, "ln p(last) - ln p(premature) %.2f", score))));
    }
    var bars = new ArrayList<View.Item>();
    for (int c = 0; c < counts.length; c++) {
      bars.add(View.Item.of("layer " + candidates.get(c), counts[c]));
    }
    return List.of(
        new View.Tokens(
            "Premature layer",
            "Which layer is each token contrasted with?",
            strip,
            Scale.sequential("layer").between(0, mature)),
        new View.Ranking(
            "Layers chosen",
            "How often is each candidate the one that differs most from the last layer?",
            bars,
            "tokens"));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("dola_layer", layers);
    arrays.put("dola_score", scores);
    return arrays;
  }
}
