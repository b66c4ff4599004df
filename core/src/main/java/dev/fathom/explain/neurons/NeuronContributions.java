package dev.fathom.explain.neurons;

import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.model.Block;
import dev.fathom.model.Head;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Norm;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.TreeSet;
import java.util.stream.IntStream;

/// Which neurons write most here, and which write the answer? At one position of a prompt neuron i
/// adds `m_i v_i` to the stream; ranked over all layers by `|m_i| ‖v_i‖`, or by `m_i (e_y · v_i)`
/// for the target y (with [Metric#LOGIT_DIFFERENCE] less that of the foil). Geva et al. 2022; spec
/// explain.md section 6.
///
/// With [ValueVectors.Reading#FROZEN] the second is exact: summed over a layer's neurons, plus the
/// bias of the output map, it is what the MLP adds to the target's logit directly (before a
/// soft-cap).
///
/// It misleads as direct contributions do: a neuron may act through later layers instead, and many
/// small ones may cancel.
public final class NeuronContributions {
  private NeuronContributions() {}

  /// What neurons are ranked by.
  public enum Order {
    /// `|m| ‖v‖`: how much is written.
    SIZE("size"),
    /// `m (e_y · v)`: how much is written for the target.
    TARGET("target");

    private final String text;

    Order(String text) {
      this.text = text;
    }

    public String text() {
      return text;
    }

    public static Order named(String text) {
      return Arrays.stream(values())
          .filter(order -> order.text.equals(text.toLowerCase(Locale.ROOT)))
          .findFirst()
          .orElseThrow(() ->
              new IllegalArgumentException(
                  "Neurons are not ranked by '%s': choose size or target.".formatted(text)));
    }
  }

  /// @param neurons how many of the ranking are read in words
  /// @param tokens how many tokens of each sort a neuron is read by
  public record Config(Order order, ValueVectors.Reading reading, int neurons, int tokens) {
    public static Config standard() {
      return new Config(Order.TARGET, ValueVectors.Reading.FROZEN, 20, 8);
    }
  }

  /// @throws IllegalArgumentException if the metric is not a logit or a difference of two, or the
  ///   model's neurons are not added to its stream
  public static NeuronContributionResult run(
      Transformer model, Tokenizer tokenizer, Question question, Config config) {
    long start = System.nanoTime();
    var names = new Names(model, tokenizer);
    String measured = names.measured(question);
    ValueVectors.requireReadable(model);
    for (Block block : model.blocks()) {
      ValueVectors.afterMlp(block);
    }
    int[] ids = question.ids(model);
    try (var scope = Scope.withoutGradients()) {
      int layers = model.layers();
      int width = (int) model.blocks().getFirst().mlp().out().in();
      var run = new Run(model, ids, question.position());
      float[] activations = new float[layers * width];
      float[] sizes = new float[layers * width];
      float[] speaks = new float[layers * width];
      Tensor direction = run.direction(question);
      for (int layer = 0; layer < layers; layer++) {
        try (var inner = Scope.withoutGradients()) {
          Tensor m = run.activation(layer);
          Tensor norms =
              model.blocks().get(layer).mlp().out().weight().values().wide().norm(0, false);
          Tensor written = run.written(layer, config.reading(), direction); // e_y · v
          copy(m, activations, layer * width);
          copy(m.abs().mul(norms), sizes, layer * width);
          copy(m.mul(written), speaks, layer * width);
        }
      }
      float[] scores = config.order() == Order.SIZE ? sizes : speaks;
      List<Integer> best =
          IntStream.range(0, scores.length)
              .boxed()
              .sorted(Comparator.comparingDouble(i -> -Math.abs(scores[i])))
              .limit(config.neurons())
              .toList();
      var found = new ArrayList<NeuronContributionResult.Neuron>();
      for (int i : best) {
        found.add(
            read(model, names, i / width, i % width, activations[i], sizes[i], speaks[i], config));
      }
      List<Axis> axes = List.of(Axis.index("layer", layers), Axis.index("neuron", width));
      return new NeuronContributionResult(
          Provenances.of(
              model,
              question.prompt(),
              names.tokens(question.prompt()),
              (System.nanoTime() - start) / 1e9,
              "target",
              names.output(question.target()),
              "measured",
              measured,
              "position",
              Integer.toString(question.position()),
              "order",
              config.order().text(),
              "reading",
              config.reading().text()),
          config.order(),
          measured,
          Grid.real(axes, activations),
          Grid.real(axes, sizes),
          Grid.real(axes, speaks),
          found);
    }
  }

  private static void copy(Tensor values, float[] into, int at) {
    float[] floats = values.toFloats();
    System.arraycopy(floats, 0, into, at, floats.length);
  }

  private static NeuronContributionResult.Neuron read(
      Transformer model,
      Names names,
      int layer,
      int neuron,
      float activation,
      float size,
      float speaks,
      Config config) {
    try (var scope = Scope.withoutGradients()) {
      int k = Math.min(config.tokens(), model.outputs());
      Tensor vector = ValueVectors.of(model, layer, new int[] {neuron});
      Tensor read = ValueVectors.through(model, layer, vector, config.reading());
      // a negative activation turns the vector round
      var tops = ValueVectors.tops(model, activation < 0 ? read.neg() : read, k);
      return new NeuronContributionResult.Neuron(
          layer,
          neuron,
          activation,
          size,
          speaks,
          ValueVectors.words(names, tops.promotedIds(), k).getFirst(),
          ValueVectors.words(names, tops.suppressedIds(), k).getFirst());
    }
  }

  /// One unchanged run: activations, and the divisors that the frozen reading needs.
  private static final class Run {
    private final Transformer model;
    private final Head.Unembedding head;
    private final HashMap<Site, Tensor> kept = new HashMap<>();
    private final Tensor last; // the last block's stream, [1, dModel]

    Run(Transformer model, int[] ids, int position) {
      this.model = model;
      this.head = (Head.Unembedding) model.head();
      boolean causal = model.card().causal();
      Scope home = Scope.current();
      var sites = new TreeSet<Site>();
      for (int layer = 0; layer < model.layers(); layer++) {
        sites.add(Site.of(Kind.MLP_ACT, layer));
        sites.add(Site.of(Kind.MLP_RAW, layer));
      }
      try (var scope = Scope.withoutGradients()) {
        Pass pass =
            Pass.over(Layout.single(ids.length))
                .with(
                    Taps.capture(
                        sites,
                        (site, value, _) -> {
                          long at = value.size(0) == 1 ? 0 : position;
                          kept.put(site, home.keep(value.narrow(0, at, 1).copy()));
                        }))
                .with(causal ? Wanted.LAST : Wanted.ALL);
        Tensor x = model.stream(Tensor.of(ids, ids.length), pass);
        last = scope.escape(x.narrow(0, causal ? 0 : position, 1).copy());
      }
    }

    private Tensor at(Kind kind, int layer) {
      return Objects.requireNonNull(kept.get(Site.of(kind, layer)));
    }

    /// m of a layer, `[neurons]`.
    Tensor activation(int layer) {
      return at(Kind.MLP_ACT, layer).select(0, 0).wide();
    }

    /// The row of the unembedding, less that of the foil where the difference is asked for,
    /// `[dModel]`.
    Tensor direction(Question question) {
      Tensor table = head.out().weight().values();
      Tensor row = table.select(0, question.target()).wide();
      return question.metric() != Metric.LOGIT_DIFFERENCE
          ? row
          : row.sub(table.select(0, question.foil().orElseThrow()).wide());
    }

    /// `e_y · v_i` of every neuron of a layer as the reading has it, `[neurons]`.
    Tensor written(int layer, ValueVectors.Reading reading, Tensor direction) {
      Block block = model.blocks().get(layer);
      Tensor columns = block.mlp().out().weight().values().wide(); // [dModel, neurons]
      Tensor read = direction;
      if (reading != ValueVectors.Reading.RAW) {
        Norm norm = head.norm();
        read = norm == null ? read : against(norm, read);
        Norm after = ValueVectors.afterMlp(block);
        read = after == null ? read : against(after, read);
      }
      Tensor product = read.unsqueeze(0).matmul(columns).select(0, 0);
      return reading == ValueVectors.Reading.FROZEN ? product.mul(factor(layer, block)) : product;
    }

    /// `a` with `a · x = read · gain(x)` for all x.
    private static Tensor against(Norm norm, Tensor read) {
      Tensor gained = read.mul(norm.gain().wide());
      return norm.centred() ? gained.sub(gained.mean(-1, true)) : gained;
    }

    /// Multipliers and divisors of this run.
    private double factor(int layer, Block block) {
      double factor = head.scale();
      Norm norm = head.norm();
      factor /= norm == null ? 1 : norm.scale(last).item();
      Norm after = block.steps().post2();
      double divisor = after == null ? 1 : after.scale(at(Kind.MLP_RAW, layer)).item();
      return factor * block.steps().multiplier() / divisor;
    }
  }
}
