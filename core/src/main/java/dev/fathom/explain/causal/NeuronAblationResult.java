package dev.fathom.explain.causal;

import dev.fathom.explain.Metric;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;

/// What a [NeuronAblation] found.
///
/// @param clean the metric of the unchanged run
/// @param effects of each neuron, in the order asked for
public record NeuronAblationResult(
    Provenance provenance, Metric metric, double clean, List<Effect> effects) implements Result {
  /// Neurons drawn.
  private static final int SHOWN = 30;

  public NeuronAblationResult {
    effects = List.copyOf(effects);
  }

  /// @param activation of the unchanged run, at the position that is read
  /// @param effect what taking it away takes from the answer, in the metric's unit
  public record Effect(NeuronAblation.Neuron neuron, double activation, double effect) {}

  @Override
  public String method() {
    return "ablate-neurons";
  }

  @Override
  public List<View> views() {
    var items = new ArrayList<View.Item>();
    effects.stream()
        .sorted(Comparator.comparingDouble(effect -> -Math.abs(effect.effect)))
        .limit(SHOWN)
        .forEach(effect ->
            items.add(
                View.Item.of(effect.neuron.toString(), effect.effect)
                    .withDetails(
                        List.of(
                            String.format(
                                Locale.ROOT,
                                "its activation where the answer is read: %.4g",
                                effect.activation)))));
    String asked =
        metric == Metric.KL
            ? "How far does the prediction move without this neuron?"
            : "How much does %s fall without this neuron?"
                .formatted(metric.words(provenance.parameters()));
    return List.of(
        new View.Ranking(
            effects.size() > SHOWN
                ? "Without one neuron, the strongest %d of %,d".formatted(SHOWN, effects.size())
                : "Without one neuron",
            asked,
            items,
            (metric == Metric.KL ? "" : "loss in ") + metric.unit()));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    int n = effects.size();
    float[] loss = new float[n];
    float[] activations = new float[n];
    long[] places = new long[2 * n];
    for (int i = 0; i < n; i++) {
      Effect effect = effects.get(i);
      loss[i] = (float) effect.effect;
      activations[i] = (float) effect.activation;
      places[2 * i] = effect.neuron.layer();
      places[2 * i + 1] = effect.neuron.index();
    }
    Axis axis =
        Axis.of("neuron", effects.stream().map(effect -> effect.neuron.toString()).toList());
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("ablate_neuron", Grid.vector(axis, loss));
    arrays.put("ablate_neuron_activation", Grid.vector(axis, activations));
    arrays.put(
        "ablate_neuron_place",
        Grid.integer(List.of(axis, Axis.of("place", List.of("layer", "index"))), places));
    return arrays;
  }
}
