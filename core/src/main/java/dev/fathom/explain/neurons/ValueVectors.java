package dev.fathom.explain.neurons;

import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.model.Block;
import dev.fathom.model.Head;
import dev.fathom.model.Norm;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// What does a neuron write, in words? Neuron i of a layer adds `m_i v_i` to the stream: its
/// activation times its value vector, a column of the MLP's output map. Read with the unembedding,
/// `e_w · v_i` says which tokens it promotes and which it suppresses where m is positive, whatever
/// the prompt (Geva et al. 2022; thesis section 4.3, eq 4.4; spec explain.md section 6).
///
/// It misleads in early layers, whose vectors are read by later layers rather than by the head.
/// Where the MLP is gated, m is often negative, and then the suppressed tokens are promoted: see
/// [NeuronSigns]. A positive `e_w · m v` raises the logit; p(w) rises only if it exceeds what the
/// other tokens gain.
public final class ValueVectors {
  /// Logits held at a time.
  private static final long CHUNK_BYTES = 64 << 20;

  private ValueVectors() {}

  /// How a value vector is brought to the unembedding.
  public enum Reading {
    /// As it is (the thesis).
    RAW("raw"),
    /// Through the gains on its way: the final norm's and, where there is one, that of the norm
    /// after the MLP. Without the divisors, which depend on the prompt and change no ranking.
    GAMMA("gamma"),
    /// With the divisors of a prompt too: exact contributions to its logits. For
    /// [NeuronContributions] only.
    FROZEN("frozen");

    private final String text;

    Reading(String text) {
      this.text = text;
    }

    public String text() {
      return text;
    }

    public static Reading named(String text) {
      return Arrays.stream(values())
          .filter(reading -> reading.text.equals(text.toLowerCase(Locale.ROOT)))
          .findFirst()
          .orElseThrow(() ->
              new IllegalArgumentException(
                  "There is no reading '%s': choose raw, gamma or frozen.".formatted(text)));
    }
  }

  /// The tokens that neurons of a layer promote and suppress.
  ///
  /// @param neurons their indices; none for all
  /// @param top how many tokens of each sort
  /// @throws IllegalArgumentException if the model has no such layer or neuron, or its head does
  ///   not read the stream by one linear map
  public static ValueVectorResult read(
      Transformer model, Tokenizer tokenizer, int layer, int[] neurons, int top, Reading reading) {
    long start = System.nanoTime();
    requireReadable(model);
    if (reading == Reading.FROZEN) {
      throw new IllegalArgumentException(
          "The frozen reading needs a prompt, whose divisors it freezes: give one, or choose raw or"
              + " gamma.");
    }
    if (layer < 0 || layer >= model.layers()) {
      throw new IllegalArgumentException(
          "There is no layer %d: this model has layers 0 to %d."
              .formatted(layer, model.layers() - 1));
    }
    int all = (int) model.blocks().get(layer).mlp().out().in();
    int[] chosen = neurons.length == 0 ? IntStream.range(0, all).toArray() : neurons.clone();
    for (int neuron : chosen) {
      requireNeuron(neuron, all);
    }
    int k = Math.min(top, model.outputs());
    try (var scope = Scope.withoutGradients()) {
      Tensor vectors = of(model, layer, chosen); // [neurons, dModel]
      float[] norms = vectors.norm(-1, false).toFloats();
      Tops tops = tops(model, through(model, layer, vectors, reading), k);
      List<Axis> axes = List.of(Axis.of("neuron", labels(chosen)), Axis.index("rank", k));
      var names = new Names(model, tokenizer);
      return new ValueVectorResult(
          Provenances.of(
              model,
              (System.nanoTime() - start) / 1e9,
              "layer",
              Integer.toString(layer),
              "reading",
              reading.text()),
          layer,
          Grid.integer(List.of(axes.getFirst()), IntStream.of(chosen).asLongStream().toArray()),
          Grid.vector(axes.getFirst(), norms),
          Grid.integer(axes, tops.promotedIds()),
          Grid.real(axes, tops.promoted()),
          Grid.integer(axes, tops.suppressedIds()),
          Grid.real(axes, tops.suppressed()),
          words(names, tops.promotedIds(), k),
          words(names, tops.suppressedIds(), k));
    }
  }

  private static List<String> labels(int[] neurons) {
    return Arrays.stream(neurons).mapToObj(Integer::toString).toList();
  }

  static List<List<String>> words(Names names, long[] ids, int k) {
    return IntStream.range(0, ids.length / k)
        .mapToObj(row ->
            IntStream.range(0, k).mapToObj(i -> names.output((int) ids[row * k + i])).toList())
        .toList();
  }

  static void requireNeuron(int neuron, int all) {
    if (neuron < 0 || neuron >= all) {
      throw new IllegalArgumentException(
          "There is no neuron %d: this layer has neurons 0 to %d.".formatted(neuron, all - 1));
    }
  }

  /// Refuses models whose head is not one linear map of the normed stream.
  public static void requireReadable(Transformer model) {
    if (!(model.head() instanceof Head.Unembedding)) {
      throw new IllegalArgumentException(
          "Value vectors are read with the unembedding, but the head of this %s model transforms the stream before it: there is no fixed list of tokens that a neuron promotes."
              .formatted(model.card().family()));
    }
  }

  /// Value vectors as rows, `[neurons, dModel]`, in F32 or wider.
  static Tensor of(Transformer model, int layer, int[] neurons) {
    try (var scope = Scope.withoutGradients()) {
      Tensor columns = model.blocks().get(layer).mlp().out().weight().values();
      Tensor picked =
          columns.indexSelect(1, Arrays.stream(neurons).asLongStream().toArray()).transpose(0, 1);
      return scope.escape(picked.wide().contiguous());
    }
  }

  /// Vectors in the space that the unembedding reads, `[n, dModel] -> [n, dModel]`, but for
  /// divisors.
  static Tensor through(Transformer model, int layer, Tensor vectors, Reading reading) {
    if (reading == Reading.RAW) {
      return vectors;
    }
    Block block = model.blocks().get(layer);
    Norm after = afterMlp(block);
    Tensor added = after == null ? vectors : gained(after, vectors);
    Norm last = ((Head.Unembedding) model.head()).norm();
    return last == null ? added : gained(last, added);
  }

  /// The norm that what an MLP writes goes through before it is added.
  public static @Nullable Norm afterMlp(Block block) {
    Block.Steps steps = block.steps();
    if (steps.after2() != null) {
      throw new IllegalArgumentException(
          "In post-norm blocks what a neuron writes is normalised together with the stream: it has"
              + " no reading of its own.");
    }
    return steps.post2();
  }

  private static Tensor gained(Norm norm, Tensor x) {
    Tensor centred = norm.centred() ? x.sub(x.mean(-1, true)) : x;
    return centred.mul(norm.gain().wide());
  }

  /// The best and worst columns of the head for each vector.
  record Tops(long[] promotedIds, float[] promoted, long[] suppressedIds, float[] suppressed) {}

  /// @param vectors `[n, dModel]`; their logits are never held all at once
  static Tops tops(Transformer model, Tensor vectors, int k) {
    int n = (int) vectors.size(0);
    int chunk = (int) Math.clamp(CHUNK_BYTES / (4L * model.outputs()), 1, Math.max(1, n));
    var tops = new Tops(new long[n * k], new float[n * k], new long[n * k], new float[n * k]);
    for (int from = 0; from < n; from += chunk) {
      try (var scope = Scope.withoutGradients()) {
        int count = Math.min(chunk, n - from);
        Tensor part = vectors.narrow(0, from, count).to(model.card().dtype());
        Tensor logits = model.head().out().weight().apply(part, null).wide(); // [count, vocab]
        Tensor.TopK best = logits.topK(k, -1);
        Tensor.TopK worst = logits.bottomK(k, -1);
        int at = from * k;
        System.arraycopy(best.indices().toLongs(), 0, tops.promotedIds, at, count * k);
        System.arraycopy(best.values().toFloats(), 0, tops.promoted, at, count * k);
        System.arraycopy(worst.indices().toLongs(), 0, tops.suppressedIds, at, count * k);
        System.arraycopy(worst.values().toFloats(), 0, tops.suppressed, at, count * k);
      }
    }
    return tops;
  }
}
