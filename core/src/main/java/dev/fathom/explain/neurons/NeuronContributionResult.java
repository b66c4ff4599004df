package dev.fathom.explain.neurons;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// What the neurons of all layers write at one position.
///
/// @param measured what the second ranking asks about: a logit, or a difference of two
/// @param activations m, `[layer, neuron]`
/// @param sizes `|m| ‖v‖`, `[layer, neuron]`
/// @param speaks `m (e_y · v)`, `[layer, neuron]`, in logits, the foil's taken off where measured
/// @param ranking the largest, in words
public record NeuronContributionResult(
    Provenance provenance,
    NeuronContributions.Order order,
    String measured,
    Grid activations,
    Grid sizes,
    Grid speaks,
    List<Neuron> ranking)
    implements Result {
  public NeuronContributionResult {
    ranking = List.copyOf(ranking);
  }

  /// One neuron of the ranking.
  ///
  /// @param promotes tokens that it promotes here, its activation's sign taken into account
  /// @param suppresses tokens that it suppresses here
  public record Neuron(
      int layer,
      int index,
      double activation,
      double size,
      double speaks,
      List<String> promotes,
      List<String> suppresses) {
    public Neuron {
      promotes = List.copyOf(promotes);
      suppresses = List.copyOf(suppresses);
    }
  }

  @Override
  public String method() {
    return "neurons";
  }

  @Override
  public List<View> views() {
    var rows = new ArrayList<List<View.Cell>>();
    for (Neuron neuron : ranking) {
      rows.add(
          List.of(
              View.Cell.of(neuron.layer() + "." + neuron.index()),
              View.Cell.of(neuron.activation()),
              View.Cell.of(neuron.size()),
              View.Cell.of(neuron.speaks()),
              View.Cell.of(String.join(" ", ValueVectorResult.quoted(neuron.promotes())))));
    }
    int layers = speaks.axis(0).size();
    float[] up = new float[layers];
    float[] down = new float[layers];
    for (int layer = 0; layer < layers; layer++) {
      for (float value : speaks.select(0, layer).values()) {
        up[layer] += Math.max(0, value);
        down[layer] += Math.min(0, value);
      }
    }
    Axis axis = Axis.index("layer", layers);
    return List.of(
        new View.Table(
            order == NeuronContributions.Order.SIZE
                ? "Neurons that write most"
                : "Neurons that speak for or against the " + measured,
            "Which tokens does each promote here?",
            List.of("neuron", "m", "|m| ‖v‖", "for the answer (logits)", "promotes here"),
            rows),
        View.Lines.over(
            "Neurons by layer",
            "How much do all neurons of a layer write for and against the " + measured + "?",
            axis,
            View.Panel.of(
                "logits",
                View.Series.of("for", Grid.vector(axis, up)),
                View.Series.of("against", Grid.vector(axis, down)))));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("neuron_activation", activations);
    arrays.put("neuron_size", sizes);
    arrays.put("neuron_target", speaks);
    return arrays;
  }
}
