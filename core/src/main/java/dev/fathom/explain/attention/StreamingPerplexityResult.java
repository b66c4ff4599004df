package dev.fathom.explain.attention;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// What [StreamingPerplexity] measured.
///
/// @param cache tokens that are remembered
/// @param loss `−ln p` of each token after the first, `[memory, token]`
public record StreamingPerplexityResult(Provenance provenance, int cache, Grid loss)
    implements Result {
  /// Tokens that a point of the curve is a mean of.
  private static final int SMOOTH = 32;

  @Override
  public String method() {
    return "attention-streaming";
  }

  /// exp of the mean loss of the tokens that are read with a full cache, by memory.
  public double perplexity(int memory) {
    double sum = 0;
    for (int t = cache; t < loss.axis(1).size(); t++) {
      sum += loss.at(memory, t);
    }
    return Math.exp(sum / (loss.axis(1).size() - cache));
  }

  @Override
  public List<View> views() {
    var series = new ArrayList<View.Series>();
    var items = new ArrayList<View.Item>();
    int tokens = loss.axis(1).size();
    Axis axis = Axis.index("token", tokens);
    for (int m = 0; m < loss.axis(0).size(); m++) {
      float[] smooth = new float[tokens];
      double sum = 0;
      for (int t = 0; t < tokens; t++) {
        sum += loss.at(m, t) - (t >= SMOOTH ? loss.at(m, t - SMOOTH) : 0);
        smooth[t] = (float) (sum / Math.min(t + 1, SMOOTH));
      }
      series.add(View.Series.of(loss.axis(0).label(m), Grid.vector(axis, smooth)));
      items.add(View.Item.of(loss.axis(0).label(m), perplexity(m)));
    }
    return List.of(
        View.Lines.over(
                "Loss along the text",
                "What happens when tokens are forgotten? Means over %d tokens.".formatted(SMOOTH),
                axis,
                View.Panel.of("nats a token", series.toArray(View.Series[]::new)))
            .withMarks(List.of(new View.Mark(cache, "cache full"))),
        new View.Ranking(
            "Perplexity of the tokens after the cache is full",
            "How well does each memory predict them?",
            items,
            "perplexity"));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("stream_loss", loss);
    return arrays;
  }
}
