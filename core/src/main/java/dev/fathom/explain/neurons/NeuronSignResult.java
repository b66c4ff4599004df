package dev.fathom.explain.neurons;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// Signs of the neurons' activations over some texts.
///
/// @param tokens how many tokens were counted
/// @param positive share of them where m > 0, `[layer, neuron]`
/// @param negative share of them where m < 0, `[layer, neuron]`
/// @param mean of m, `[layer, neuron]`
/// @param size mean of |m|, `[layer, neuron]`
public record NeuronSignResult(
    Provenance provenance, long tokens, Grid positive, Grid negative, Grid mean, Grid size)
    implements Result {
  private static final int BINS = 10;

  @Override
  public String method() {
    return "neuron-signs";
  }

  @Override
  public List<View> views() {
    int layers = mean.axis(0).size();
    int width = mean.axis(1).size();
    float[] bins = new float[layers * BINS];
    float[] towards = new float[layers];
    var names = new ArrayList<String>();
    for (int bin = 0; bin < BINS; bin++) {
      names.add("to %+.1f".formatted(-1 + 2.0 * (bin + 1) / BINS));
    }
    for (int layer = 0; layer < layers; layer++) {
      double all = 0;
      double signed = 0;
      for (int i = 0; i < width; i++) {
        double balance = size.at(layer, i) == 0 ? 0 : mean.at(layer, i) / size.at(layer, i);
        int bin = (int) Math.clamp((balance + 1) / 2 * BINS, 0, BINS - 1);
        bins[layer * BINS + bin] += 1f / width;
        all += size.at(layer, i);
        signed += negative.at(layer, i);
      }
      towards[layer] = (float) (all == 0 ? 0 : signed / width);
    }
    return List.of(
        View.HeatMap.of(
                "Do neurons keep one sign?",
                "Share of a layer's neurons by E m / E |m|: −1 is always negative, +1 always positive",
                Grid.real(
                    List.of(Axis.index("layer", layers), Axis.of("E m / E |m|", names)), bins),
                Scale.sequential("share of neurons"))
            .bottomUp(),
        View.Lines.over(
            "Negative activations",
            "At what share of tokens is a neuron's activation negative, on average?",
            Axis.index("layer", layers),
            View.Panel.of(
                "share of tokens",
                View.Series.of("m < 0", Grid.vector(Axis.index("layer", layers), towards)))));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("neuron_positive", positive);
    arrays.put("neuron_negative", negative);
    arrays.put("neuron_mean", mean);
    arrays.put("neuron_mean_abs", size);
    return arrays;
  }
}
