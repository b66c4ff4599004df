package dev.fathom.explain.causal;

import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.explain.Readout;
import dev.fathom.explain.Runs;
import dev.fathom.explain.neurons.NeuronContributions;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.PositionSpan;
import dev.fathom.model.Site;
import dev.fathom.model.SiteAddress;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.function.LongConsumer;

/// Which single neurons does the answer need? One neuron at a time loses its activation `m_i`, at
/// all positions unless it is named with some, and the effect is `metric(clean) − metric(without
/// the neuron)`.
///
/// Beside it stands what the neuron writes for the target directly ([NeuronContributions]). Where
/// the two differ, the neuron acts through later layers, or they make up for its loss.
///
/// It misleads as [Ablation] does, and more so: most of what a layer knows is spread over many
/// neurons, of which each alone looks dispensable.
public final class NeuronAblation {
  private NeuronAblation() {}

  /// A neuron, and where it is taken away.
  ///
  /// @param positions as in [SiteAddress]: all of them, or some
  public record Neuron(int layer, int index, PositionSpan positions) {
    /// At all positions, as heads are.
    public static Neuron of(int layer, int index) {
      return new Neuron(layer, index, PositionSpan.ALL);
    }

    Slice slice() {
      return Slice.of(Kind.MLP_ACT, layer).neurons(index).at(positions);
    }

    /// `mlp_act.3.n17`.
    @Override
    public String toString() {
      return slice().toString();
    }
  }

  /// @param instead what stands in the place of an activation
  /// @param budget memory that changed runs may take at a time, in bytes
  /// @param progress told how many changed runs are done, again and again
  public record Config(Ablation.Instead instead, long budget, LongConsumer progress) {
    /// Zero instead.
    public static Config standard() {
      return new Config(new Ablation.Instead.Zero(), Sweep.BUDGET, _ -> {});
    }

    public Config with(Ablation.Instead instead) {
      return new Config(instead, budget, progress);
    }

    public Config within(long bytes) {
      return new Config(instead, bytes, progress);
    }

    public Config telling(LongConsumer progress) {
      return new Config(instead, budget, progress);
    }
  }

  /// The neurons that addresses such as `mlp_act.3.n17`, `mlp_act.3.n17@last` or `mlp_act.4-5` (all
  /// of these layers) name.
  ///
  /// @throws IllegalArgumentException if an address names something else, or what the model does
  ///   not have
  public static List<Neuron> named(String addresses, Transformer model) {
    var neurons = new LinkedHashSet<Neuron>();
    for (SiteAddress address : SiteAddress.parseAll(addresses)) {
      if (address.kind() != Kind.MLP_ACT) {
        throw new IllegalArgumentException(
            "%s: neurons are written mlp_act.LAYER.nNUMBER, such as mlp_act.3.n17; mlp_act.4-5 means all of these layers."
                .formatted(address));
      }
      for (Slice slice : address.slices(model)) {
        int layer = slice.site().layer();
        int width = (int) model.blocks().get(layer).mlp().out().in();
        for (int index = 0; index < width; index++) {
          if (slice.units().isEmpty() || slice.units().contains(index)) {
            neurons.add(new Neuron(layer, index, slice.positions()));
          }
        }
      }
    }
    return List.copyOf(neurons);
  }

  /// The neurons that write most for or against the target at the position that is read, at all
  /// positions.
  ///
  /// @throws IllegalArgumentException if what neurons write cannot be read with the unembedding, as
  ///   in a model that normalises its stream after adding
  public static List<Neuron> strongest(
      Transformer model, Tokenizer tokenizer, Question question, int count) {
    if (count < 1) {
      throw new IllegalArgumentException("at least 1 neuron is to be taken away, not " + count);
    }
    var standard = NeuronContributions.Config.standard();
    var config = new NeuronContributions.Config(standard.order(), standard.reading(), count, 1);
    return NeuronContributions.run(model, tokenizer, question, config).ranking().stream()
        .map(neuron -> Neuron.of(neuron.layer(), neuron.index()))
        .toList();
  }

  /// Takes each of these neurons away; `tokenizer` only names tokens.
  ///
  /// @throws IllegalArgumentException if there is none, or the prompt has not the positions of one
  public static NeuronAblationResult run(
      Transformer model,
      Tokenizer tokenizer,
      Question question,
      List<Neuron> neurons,
      Config config) {
    long start = System.nanoTime();
    int[] ids = question.ids(model);
    if (neurons.isEmpty()) {
      throw new IllegalArgumentException("No neuron is to be taken away: name at least one.");
    }
    for (Neuron neuron : neurons) {
      requireNeuron(model, neuron);
    }
    try (var scope = Scope.withoutGradients()) {
      Runs runs = Runs.of(model, ids, Kind.MLP_ACT);
      var readout = new Readout(model, question, runs.last(0, question.position()));
      var values = Ablation.Values.of(model, question, config.instead, Kind.MLP_ACT);
      double[] measured =
          readout.values(
              new Sweep(model, runs, question.position())
                  .within(config.budget)
                  .telling(config.progress)
                  .run(neurons.stream().map(neuron -> row(neuron, values, ids.length)).toList()));
      var names = new Names(model, tokenizer);
      var effects = new ArrayList<NeuronAblationResult.Effect>();
      for (int i = 0; i < measured.length; i++) {
        Neuron neuron = neurons.get(i);
        double activation =
            runs.at(Kind.MLP_ACT, neuron.layer, 0, question.position())
                .select(0, 0)
                .toDoubles()[neuron.index];
        effects.add(
            new NeuronAblationResult.Effect(
                neuron, activation, question.metric().effect(readout.clean(), measured[i])));
      }
      return new NeuronAblationResult(
          Provenances.of(
              model,
              question.prompt(),
              names.tokens(question.prompt()),
              (System.nanoTime() - start) / 1e9,
              "target",
              names.output(question.target()),
              "foil",
              question.foil().isPresent() ? names.output(question.foil().getAsInt()) : "none",
              "metric",
              question.metric().text(),
              "instead",
              config.instead.words()),
          question.metric(),
          readout.clean(),
          effects);
    }
  }

  private static void requireNeuron(Transformer model, Neuron neuron) {
    Optional<String> refusal = model.refusal(Site.of(Kind.MLP_ACT, neuron.layer));
    if (refusal.isPresent()) {
      throw new IllegalArgumentException("%s: %s.".formatted(neuron, refusal.get()));
    }
    long width = model.blocks().get(neuron.layer).mlp().out().in();
    if (neuron.index >= width) {
      throw new IllegalArgumentException(
          "%s: layer %d has neurons 0 to %d.".formatted(neuron, neuron.layer, width - 1));
    }
  }

  private static Sweep.Row row(Neuron neuron, Ablation.Values values, int length) {
    Slice slice = neuron.slice();
    if (neuron.positions.equals(PositionSpan.ALL)) {
      return Sweep.Row.of(0, 0, values.instead(slice));
    }
    int first = fromStart(neuron.positions.first(), length);
    int last = fromStart(neuron.positions.last(), length);
    if (first < 0 || last >= length || first > last) {
      throw new IllegalArgumentException(
          "%s: the answer depends on positions 0 to %d only.".formatted(neuron, length - 1));
    }
    var changes = new ArrayList<Intervention>();
    for (int p = first; p <= last; p++) {
      changes.add(values.instead(slice.at(p)));
    }
    return new Sweep.Row(0, neuron.layer, first, changes);
  }

  private static int fromStart(int position, int length) {
    return position < 0 ? length + position : position;
  }
}
