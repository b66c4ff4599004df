package dev.fathom.explain.parts;

import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.model.Attention;
import dev.fathom.model.Kind;
import dev.fathom.model.Linear;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/// Which parts of a model write the answer into the stream? The last stream is a sum of what every
/// part has added, and under the divisor s of the final norm at that stream the head is linear, so
/// the logit is a sum too: a part that adds x is worth `x · (γ ⊙ e_y) / s` (centred for LayerNorm),
/// and embedding, attention, MLPs and biases together are worth the logit (Elhage et al. 2021; spec
/// explain.md section 14). Attention is split further by head and by the position it read, MLPs by
/// neuron.
///
/// In post-norm encoders what a part adds passes through the norms after it, whose divisors are
/// held fixed as well.
///
/// It misleads because it is direct: what a part does by changing what later ones do is counted as
/// theirs. An early head that finds the name is worth nothing here; ablation and patching find it.
/// And a logit says nothing of the others: with a foil, parts that raise all logits cancel.
///
/// Cost: one forward pass, and a few products with vectors.
public final class DirectLogitAttribution {
  private DirectLogitAttribution() {}

  /// One block at the position in question.
  ///
  /// @param block there
  /// @param pattern how its query looks at the positions, `[heads, keys]`
  /// @param values of all positions, `[keys, kvHeads, width]`
  private record Layer(FrozenBlock block, Tensor pattern, Tensor values) {}

  /// What one number added at each place of a layer is worth, `[1, dModel]` each: to what attention
  /// and MLP return, and to what they add to the stream.
  private record Directions(
      Tensor attentionRaw, Tensor attentionOut, Tensor mlpRaw, Tensor mlpOut) {}

  /// The attribution at the question's position; `tokenizer` only names tokens.
  ///
  /// @throws IllegalArgumentException if the metric is not a logit or a difference of two
  public static DirectLogitResult run(Transformer model, Tokenizer tokenizer, Question question) {
    long start = System.nanoTime();
    int[] ids = question.ids(model);
    int at = question.position();
    var names = new Names(model, tokenizer);
    String measured = names.measured(question);
    try (var scope = Scope.withoutGradients()) {
      var run = FrozenRun.path(model, ids, Kind.PATTERN, Kind.V, Kind.Z, Kind.MLP_ACT);
      Tensor embedded = run.stream().narrow(0, at, 1);
      var layers = new ArrayList<Layer>();
      while (layers.size() < model.layers()) {
        try (var inner = Scope.open()) {
          FrozenBlock block = run.next();
          layers.add(
              new Layer(
                  block.only(at, scope),
                  scope.keep(block.at(Kind.PATTERN).select(0, 0).select(1, at).copy()),
                  scope.keep(block.at(Kind.V).copy())));
        }
      }
      Tensor last = run.stream().narrow(0, at, 1);
      var head = new FrozenHead(model.head(), last);
      var worth = new Worth(model, question, layers, head);
      int n = model.layers();
      int heads = model.blocks().getFirst().attention().heads();
      int neurons = (int) model.blocks().getFirst().mlp().out().in();
      var attention = new float[n];
      var mlp = new float[n];
      var byHead = new float[n * heads];
      var byNeuron = new float[n * neurons];
      var bySource = new float[n * ids.length];
      var sourceNorm = new float[n * ids.length];
      for (int layer = 0; layer < n; layer++) {
        try (var inner = Scope.open()) {
          FrozenBlock block = layers.get(layer).block;
          Directions to = worth.directions.get(layer);
          attention[layer] = (float) dot(block.at(Kind.ATTN_OUT), to.attentionOut).item();
          mlp[layer] = (float) dot(block.at(Kind.MLP_OUT), to.mlpOut).item();
          put(dot(block.headsOut(block.at(Kind.Z), 0), to.attentionOut), byHead, layer * heads);
          put(neurons(block, to.mlpRaw), byNeuron, layer * neurons);
          Tensor sources = sources(layers.get(layer)); // [1, positions, dModel]
          put(dot(sources, to.attentionOut), bySource, layer * ids.length);
          put(sources.norm(-1, false), sourceNorm, layer * ids.length);
        }
      }
      List<String> tokens = names.tokens(question.prompt());
      Axis byLayer = Axis.index("layer", n);
      var sourceAxes = List.of(byLayer, Axis.of("position", tokens.subList(0, ids.length)));
      return new DirectLogitResult(
          Provenances.of(
              model,
              question.prompt(),
              tokens,
              (System.nanoTime() - start) / 1e9,
              "measured",
              measured,
              "position",
              Integer.toString(at)),
          measured,
          question.prompt().startToken(),
          head.measure(last.unsqueeze(0), true, question).item(),
          dot(embedded, worth.embedding).item(),
          worth.bias,
          Grid.vector(byLayer, attention),
          Grid.vector(byLayer, mlp),
          Grid.real(List.of(byLayer, Axis.index("head", heads)), byHead),
          Grid.real(List.of(byLayer, Axis.index("neuron", neurons)), byNeuron),
          Grid.real(sourceAxes, bySource),
          Grid.real(sourceAxes, sourceNorm));
    }
  }

  /// What a vector added at any place is worth in logits. The way from there to the logit is
  /// linear, so its gradient says it all, and one backward pass finds all of them.
  private static final class Worth {
    final Tensor embedding; // [1, dModel]
    final List<Directions> directions = new ArrayList<>();
    final double bias;

    Worth(Transformer model, Question question, List<Layer> layers, FrozenHead head) {
      var leaves = new ArrayList<Directions>();
      Tensor first = leaf(model, head);
      layers.forEach(_ ->
          leaves.add(
              new Directions(
                  leaf(model, head), leaf(model, head), leaf(model, head), leaf(model, head))));
      Scope home = Scope.current();
      try (var graph = Scope.withGradients()) {
        Tensor x = first.requireGradient();
        Tensor constant = Tensor.zeros(x.dtype(), x.shape());
        for (int layer = 0; layer < layers.size(); layer++) {
          FrozenBlock block = layers.get(layer).block;
          Directions leaf = leaves.get(layer);
          Tensor attention = block.attentionOut(leaf.attentionRaw.requireGradient(), 0, false);
          Tensor mlp = block.mlpOut(leaf.mlpRaw.requireGradient(), 0, false);
          x = x.add(attention).add(leaf.attentionOut.requireGradient());
          x = block.afterAttention(x, 0, false);
          x = x.add(mlp).add(leaf.mlpOut.requireGradient());
          x = block.afterMlp(x, 0, false);
          constant = block.afterMlp(block.afterAttention(constant, 0, true), 0, true);
        }
        head.measure(x, false, question).sum().backward();
        bias = head.measure(constant, true, question).item();
        embedding = home.keep(gradient(first));
        for (Directions leaf : leaves) {
          directions.add(
              new Directions(
                  home.keep(gradient(leaf.attentionRaw)),
                  home.keep(gradient(leaf.attentionOut)),
                  home.keep(gradient(leaf.mlpRaw)),
                  home.keep(gradient(leaf.mlpOut))));
        }
      }
    }

    private static Tensor leaf(Transformer model, FrozenHead head) {
      return Tensor.zeros(head.dtype(), 1, 1, model.dModel());
    }

    private static Tensor gradient(Tensor leaf) {
      return Objects.requireNonNull(leaf.gradient()).squeeze(0); // [1, dModel]
    }
  }

  private static Tensor dot(Tensor vectors, Tensor direction) {
    return vectors.mul(direction).sum(-1, false);
  }

  private static void put(Tensor numbers, float[] into, int from) {
    float[] values = numbers.toFloats();
    System.arraycopy(values, 0, into, from, values.length);
  }

  /// Each neuron: its activation times what its value vector is worth, `[1, neurons]`.
  private static Tensor neurons(FrozenBlock block, Tensor direction) {
    Linear out = block.block().mlp().out();
    return direction
        .matmul(out.weight().values().to(direction.dtype()))
        .mul(block.at(Kind.MLP_ACT));
  }

  /// What attention adds from each position, heads summed, `[1, positions, dModel]`.
  private static Tensor sources(Layer layer) {
    Attention attention = layer.block.block().attention();
    long kv = attention.kvHeads();
    long keys = layer.values.size(0);
    Tensor seen = // [keys, kvHeads, each, 1]
        layer.pattern.transpose(0, 1).reshape(keys, kv, attention.heads() / kv, 1);
    Tensor z = seen.mul(layer.values.unsqueeze(2)); // [keys, kvHeads, each, width]
    Tensor weight = attention.out().weight().values();
    Tensor raw =
        FrozenBlock.map(
            weight, null, z.reshape(1, keys, (long) attention.heads() * attention.width()), false);
    return layer.block.attentionOut(raw, 0, false);
  }
}
