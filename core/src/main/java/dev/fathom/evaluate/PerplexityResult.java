package dev.fathom.evaluate;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// How well a model predicts a text.
///
/// @param nats mean loss, nats a token
/// @param predicted tokens that were predicted
/// @param tokens of the text
/// @param windows it was read in
public record PerplexityResult(
    double nats,
    int predicted,
    int tokens,
    int windows,
    Perplexity.Config config,
    Provenance provenance)
    implements Result {

  @Override
  public String method() {
    return "perplexity";
  }

  /// `e^nats`.
  public double perplexity() {
    return Math.exp(nats);
  }

  /// Mean loss in bits a token.
  public double bits() {
    return nats / Math.log(2);
  }

  @Override
  public List<View> views() {
    var notes = new ArrayList<String>();
    notes.add(
        "%d windows of %d tokens, %d apart; start token: %s."
            .formatted(
                windows,
                config.window(),
                config.stride(),
                provenance.parameters().getOrDefault("start token", "none")));
    notes.add(
        config.biasBench()
            ? "Counted as bias-bench does: the first token of a window is not predicted, and the"
                + " mean of the others counts for it."
            : "Every token that is predicted counts once.");
    notes.add("Comparable only between models of one tokenizer, with the same windows and text.");
    return List.of(
        new View.Table(
            "Perplexity",
            "How well does the model predict the text?",
            List.of("perplexity", "nats a token", "bits a token", "predicted", "tokens"),
            List.of(
                List.of(
                    Cell.of(perplexity()),
                    Cell.of(nats),
                    Cell.of(bits()),
                    Cell.of(predicted),
                    Cell.of(tokens)))),
        new View.Text("How this was found", "", notes));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    Axis text = Axis.index("text", 1);
    arrays.put("perplexity", Grid.vector(text, (float) perplexity()));
    arrays.put("nats", Grid.vector(text, (float) nats));
    arrays.put("predicted", Grid.integer(List.of(text), new long[] {predicted}));
    arrays.put("tokens", Grid.integer(List.of(text), new long[] {tokens}));
    return arrays;
  }
}
