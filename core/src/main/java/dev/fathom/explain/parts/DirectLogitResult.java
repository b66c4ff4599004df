package dev.fathom.explain.parts;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.IntStream;

/// The sum that a [DirectLogitAttribution] found: `logit = embedding + Σ attention + Σ mlp + bias`.
/// All numbers are logits; positive ones speak for the target.
///
/// @param measured what is attributed, as text
/// @param startToken whether the first token is a start token, which stands for no text
/// @param logit the model's own, before a soft-cap
/// @param embedding what the embedding of the position in question is worth
/// @param bias what norms on the stream's way and the head add themselves
/// @param attention `[layer]`, biases of the block's attention included
/// @param mlp `[layer]`, biases of the block's MLP included
/// @param heads `[layer, head]`, without biases
/// @param neurons `[layer, neuron]`, without biases
/// @param sources what attention brings from each position, `[layer, position]`, without output
///   biases
/// @param sourceNorms length of what it brings to the stream, after norms and multipliers on the
///   way, `[layer, position]`
public record DirectLogitResult(
    Provenance provenance,
    String measured,
    boolean startToken,
    double logit,
    double embedding,
    double bias,
    Grid attention,
    Grid mlp,
    Grid heads,
    Grid neurons,
    Grid sources,
    Grid sourceNorms)
    implements Result {
  /// Bars in a ranking.
  private static final int STRONGEST = 12;

  @Override
  public String method() {
    return "dla";
  }

  private int layers() {
    return attention.size();
  }

  /// What all parts are worth together: the logit, but for rounding.
  public double sum() {
    double sum = embedding + bias;
    for (int layer = 0; layer < layers(); layer++) {
      sum += attention.at(layer) + mlp.at(layer);
    }
    return sum;
  }

  @Override
  public List<View> views() {
    return List.of(byLayer(), curves(), headMap(), strongestHeads(), strongestNeurons(), from());
  }

  /// One bar a layer.
  public View byLayer() {
    var items = new ArrayList<View.Item>();
    items.add(View.Item.of("embedding", embedding));
    for (int layer = 0; layer < layers(); layer++) {
      items.add(
          View.Item.of("layer " + layer, attention.at(layer) + mlp.at(layer))
              .withDetails(
                  List.of(
                      "attention " + signed(attention.at(layer)), "MLP " + signed(mlp.at(layer)))));
    }
    items.add(View.Item.of("biases", bias));
    return new View.Ranking(
        "Logit by layer",
        "What does each layer write for the %s? Together %.2f.".formatted(measured, logit),
        items,
        "logits");
  }

  /// Attention and MLP by layer, and the sum so far.
  public View curves() {
    float[] sums = new float[layers()];
    double sum = embedding + bias;
    for (int layer = 0; layer < layers(); layer++) {
      sum += attention.at(layer) + mlp.at(layer);
      sums[layer] = (float) sum;
    }
    Axis axis = attention.axis(0);
    return View.Lines.over(
        "Attention and MLP by layer",
        "Which sublayers write for the %s?".formatted(measured),
        axis,
        View.Panel.of("logits", View.Series.of("attention", attention), View.Series.of("MLP", mlp)),
        View.Panel.of(
            "logits so far", View.Series.of("embedding to layer", Grid.vector(axis, sums))));
  }

  /// Layers by heads.
  public View headMap() {
    return View.HeatMap.of(
            "Heads",
            "Which heads write for the %s?".formatted(measured),
            heads,
            Scale.diverging("logits"))
        .bottomUp();
  }

  public View strongestHeads() {
    return strongest("Strongest heads", "heads", heads, "%d.%d");
  }

  public View strongestNeurons() {
    return strongest("Strongest neurons", "neurons", neurons, "%d.%d");
  }

  private View strongest(String title, String what, Grid grid, String name) {
    int width = grid.shape()[1];
    var items =
        IntStream.range(0, grid.size())
            .boxed()
            .sorted(Comparator.comparingDouble(i -> -Math.abs(grid.at(i / width, i % width))))
            .limit(STRONGEST)
            .map(i ->
                View.Item.of(name.formatted(i / width, i % width), grid.at(i / width, i % width)))
            .toList();
    return new View.Ranking(
        title,
        "Which %s (layer.%s) move the %s most by themselves?"
            .formatted(what, what.substring(0, what.length() - 1), measured),
        items,
        "logits");
  }

  /// Layers by the positions that attention read.
  public View from() {
    var details = new ArrayList<List<List<String>>>();
    for (int layer = 0; layer < layers(); layer++) {
      var row = new ArrayList<List<String>>();
      for (int p = 0; p < sources.shape()[1]; p++) {
        row.add(
            List.of(
                signed(sources.at(layer, p)) + " logits",
                String.format(Locale.ROOT, "length %.2f", sourceNorms.at(layer, p))));
      }
      details.add(row);
    }
    return View.HeatMap.of(
            "What attention brings from where",
            "From which token does attention bring the %s, layer by layer?".formatted(measured),
            sources,
            Scale.diverging("logits"))
        .withDetails(details)
        .withUnscaled(startToken ? Set.of(0) : Set.of())
        .bottomUp();
  }

  private static String signed(double value) {
    return String.format(Locale.ROOT, "%+.3f", value);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("dla_embed", Grid.vector(Axis.index("embedding", 1), (float) embedding));
    arrays.put("dla_bias", Grid.vector(Axis.index("bias", 1), (float) bias));
    arrays.put("dla_attn", attention);
    arrays.put("dla_mlp", mlp);
    arrays.put("dla_head", heads);
    arrays.put("dla_neuron", neurons);
    arrays.put("attn_source_dla", sources);
    arrays.put("dla_source_norm", sourceNorms);
    return arrays;
  }
}
