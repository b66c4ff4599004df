package dev.fathom.align.lope;

import dev.fathom.align.Basis;
import dev.fathom.align.lope.BiasNeurons.Found;
import dev.fathom.align.lope.NeuronActivations.Signed;
import dev.fathom.align.lope.NeuronActivations.Sums;
import dev.fathom.align.lope.NeuronSurveyResult.Curve;
import dev.fathom.align.lope.NeuronSurveyResult.Group;
import dev.fathom.align.lope.NeuronSurveyResult.Neuron;
import dev.fathom.align.probe.LayerProbes;
import dev.fathom.align.probe.ProbingResult;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.neurons.ValueVectorResult;
import dev.fathom.explain.neurons.ValueVectors;
import dev.fathom.model.Head;
import dev.fathom.model.Mlp;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.function.IntConsumer;

/// Which neurons write along probes of a model, where are they, what do they say, and when do they
/// fire? For each layer's probe the k neurons of the whole model whose value vectors have the
/// greatest cosine with it (thesis section 4.3.1, Fig 4.10), what these promote in the vocabulary,
/// and their activations m on texts of several kinds (section 5.2.1, Fig 5.6 and 5.7):
///
///     rate = share of (neuron, token) with m > 0,    mean = mean of m
///
/// Where a neuron was chosen for pointing against a probe ([Config#absolute]), m counts with the
/// cosine's sign, so that above 0 is always along the probe. In gated MLPs m is often negative: such
/// a token has the neuron write against the probe, and counts so.
///
/// A cosine is large or small only against chance: beside the probes stand as many random
/// directions. That a neuron writes along a probe does not show that anything reads it there.
///
/// ```java
/// var groups = List.of(new NeuronSurvey.Texts("biased", some), new Texts("benign", others));
/// var config = NeuronSurvey.Config.standard();
/// var result = NeuronSurvey.run(model, tokenizer, probing, groups, config, _ -> {});
/// ```
public final class NeuronSurvey {
  private NeuronSurvey() {}

  /// Texts of one kind.
  ///
  /// @param name such as `stereotype`
  public record Texts(String name, List<String> texts) {
    public Texts {
      texts = List.copyOf(texts);
      if (texts.isEmpty()) {
        throw new IllegalArgumentException("There is no text of the kind '%s'.".formatted(name));
      }
    }
  }

  /// What is looked for.
  ///
  /// @param neurons of each probe: k, at least 1
  /// @param absolute whether those that point against a probe count as well
  /// @param tokens of each neuron's reading in the vocabulary
  /// @param startToken whether texts begin with the start token; empty for as the tokenizer's files
  ///   say
  /// @param seed of the random directions
  public record Config(
      int neurons, boolean absolute, int tokens, Optional<Boolean> startToken, long seed) {
    public Config {
      if (neurons < 1 || tokens < 1) {
        throw new IllegalArgumentException(
            "At least 1 neuron and 1 token are needed, found %d and %d."
                .formatted(neurons, tokens));
      }
    }

    /// Ten neurons a probe, by the greatest cosine.
    public static Config standard() {
      return new Config(10, false, 5, Optional.empty(), 0);
    }

    public Config withNeurons(int neurons) {
      return new Config(neurons, absolute, tokens, startToken, seed);
    }

    /// The same by the size of the cosine, whatever its sign.
    public Config withAbsolute() {
      return new Config(neurons, true, tokens, startToken, seed);
    }

    /// The same with or without a start token before each text.
    public Config withStartToken(boolean present) {
      return new Config(neurons, absolute, tokens, Optional.of(present), seed);
    }

    public Config withSeed(long seed) {
      return new Config(neurons, absolute, tokens, startToken, seed);
    }
  }

  /// @param probing of the stream after layers of this model
  /// @param groups kinds of texts, at least one
  /// @param progress is told how many texts more are done
  /// @throws IllegalArgumentException if the probes are of something else than the stream, or all
  ///   found nothing
  public static NeuronSurveyResult run(
      Transformer model,
      Tokenizer tokenizer,
      ProbingResult probing,
      List<Texts> groups,
      Config config,
      IntConsumer progress) {
    long start = System.nanoTime();
    List<LayerProbes> probes = probes(model, probing);
    List<double[]> directions = probes.stream().map(probe -> probe.probe().direction()).toList();
    List<List<Found>> found = found(model, directions, config);
    List<double[]> random =
        Basis.random(directions.size(), model.dModel(), config.seed).directions();
    List<Neuron> neurons = neurons(model, tokenizer, probes, found, config);
    List<Group> read = new ArrayList<>();
    for (Texts texts : groups) {
      read.add(group(model, tokenizer, texts, neurons, config, progress));
    }
    return new NeuronSurveyResult(
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "positive",
            probing.positiveLabel(),
            "negative",
            probing.negativeLabel(),
            "k",
            Integer.toString(config.neurons),
            "cosine",
            config.absolute ? "greatest size" : "greatest",
            "seed",
            Long.toString(config.seed)),
        model.layers(),
        model.blocks().stream().anyMatch(block -> block.mlp() instanceof Mlp.Gated),
        probes.stream().map(probe -> probe.slice().site().layer()).toList(),
        found,
        found(model, random, config),
        neurons,
        read);
  }

  private static List<LayerProbes> probes(Transformer model, ProbingResult probing) {
    var probes = new ArrayList<LayerProbes>();
    for (LayerProbes layer : probing.layers()) {
      boolean layered = layer.slice().site().kind().layered();
      if (!layered || layer.probe().width() != model.dModel()) {
        throw new IllegalArgumentException(
            "%s: value vectors lie in the stream, so probes of it at a layer are needed"
                .formatted(layer.slice()));
      }
      if (Lope.isSomething(layer.probe().direction())) {
        probes.add(layer);
      }
    }
    if (probes.isEmpty()) {
      throw new IllegalArgumentException("No probe found anything to learn.");
    }
    return probes;
  }

  private static List<List<Found>> found(
      Transformer model, List<double[]> directions, Config config) {
    try (var scope = Scope.withoutGradients()) {
      Tensor along = Tensor.ofRows(directions);
      List<List<Found>> best = BiasNeurons.ofModel(model, along, config.neurons);
      if (!config.absolute) {
        return best;
      }
      List<List<Found>> against = BiasNeurons.ofModel(model, along.mul(-1), config.neurons);
      var both = new ArrayList<List<Found>>();
      for (int d = 0; d < best.size(); d++) {
        var own = new ArrayList<>(best.get(d).stream().filter(one -> one.cosine() >= 0).toList());
        against.get(d).stream()
            .filter(one -> one.cosine() > 0)
            .map(one -> new Found(one.layer(), one.neuron(), one.direction(), -one.cosine()))
            .forEach(own::add);
        own.sort(Comparator.comparingDouble((Found one) -> -Math.abs(one.cosine())));
        both.add(own.stream().limit(config.neurons).toList());
      }
      return both;
    }
  }

  // ---------------------------------------------------------------- what they say

  /// Each neuron that was found once, by layer and index, with the probe that it points along most.
  private static List<Neuron> neurons(
      Transformer model,
      Tokenizer tokenizer,
      List<LayerProbes> probes,
      List<List<Found>> found,
      Config config) {
    var byLayer = new TreeMap<Integer, TreeMap<Integer, List<Found>>>();
    for (List<Found> own : found) {
      for (Found one : own) {
        byLayer
            .computeIfAbsent(one.layer(), _ -> new TreeMap<>())
            .computeIfAbsent(one.neuron(), _ -> new ArrayList<>())
            .add(one);
      }
    }
    var neurons = new ArrayList<Neuron>();
    byLayer.forEach((layer, own) -> {
      int[] chosen = own.keySet().stream().mapToInt(Integer::intValue).toArray();
      Optional<ValueVectorResult> words = words(model, tokenizer, layer, chosen, config.tokens);
      for (int n = 0; n < chosen.length; n++) {
        int place = n;
        List<Found> by = own.getOrDefault(chosen[n], List.of());
        Found best = by.getFirst();
        for (Found one : by) {
          best = Math.abs(one.cosine()) > Math.abs(best.cosine()) ? one : best;
        }
        neurons.add(
            new Neuron(
                layer,
                chosen[n],
                best.cosine(),
                probes.get(best.direction()).slice().site().layer(),
                by.size(),
                words.map(w -> w.promotedTokens().get(place)).orElse(List.of()),
                words.map(w -> w.suppressedTokens().get(place)).orElse(List.of())));
      }
    });
    return neurons;
  }

  /// Empty where the head reads no vector of the stream by itself.
  private static Optional<ValueVectorResult> words(
      Transformer model, Tokenizer tokenizer, int layer, int[] neurons, int tokens) {
    boolean readable =
        model.head() instanceof Head.Unembedding
            && model.blocks().get(layer).steps().after2() == null;
    return readable
        ? Optional.of(
            ValueVectors.read(model, tokenizer, layer, neurons, tokens, ValueVectors.Reading.GAMMA))
        : Optional.empty();
  }

  // ---------------------------------------------------------------- when they fire

  private static Group group(
      Transformer model,
      Tokenizer tokenizer,
      Texts texts,
      List<Neuron> neurons,
      Config config,
      IntConsumer progress) {
    SequencedMap<Integer, List<Signed>> byLayer = new LinkedHashMap<>();
    for (Neuron neuron : neurons) {
      byLayer
          .computeIfAbsent(neuron.layer(), _ -> new ArrayList<>())
          .add(new Signed(neuron.index(), neuron.cosine() < 0 ? -1 : 1));
    }
    var read =
        NeuronActivations.of(model, tokenizer, texts.texts, byLayer, config.startToken, progress);
    long[] tokens = read.tokens();
    long all = Arrays.stream(tokens).sum();
    var rates = new ArrayList<Double>();
    var means = new ArrayList<Double>();
    double[][] rate = bands(model.layers());
    double[][] mean = bands(model.layers());
    byLayer.forEach((layer, own) -> {
      Sums sums = read.sums(layer);
      for (int n = 0; n < own.size(); n++) {
        rates.add(sums.positives()[n] / all);
        means.add(sums.sums()[n] / all);
      }
      put(rate, layer, sums.textPositives(), tokens, own.size());
      put(mean, layer, sums.textSums(), tokens, own.size());
    });
    return new Group(texts.name, texts.texts.size(), all, rates, means, curve(rate), curve(mean));
  }

  /// Mean, low and high end `[3][layer]`, nothing known.
  private static double[][] bands(int layers) {
    double[][] bands = new double[3][layers];
    Arrays.stream(bands).forEach(band -> Arrays.fill(band, Double.NaN));
    return bands;
  }

  /// The sum over all texts for each of their (neuron, token), with 95 % between the ends, taking
  /// texts as drawn independently of each other (a ratio's linearised variance).
  private static void put(double[][] bands, int layer, double[] sums, long[] tokens, int neurons) {
    double size = (double) Arrays.stream(tokens).sum() * neurons;
    double ratio = Arrays.stream(sums).sum() / size;
    double squares = 0;
    for (int t = 0; t < sums.length; t++) {
      double gap = sums[t] - ratio * tokens[t] * neurons;
      squares += gap * gap;
    }
    int n = sums.length;
    double half = n < 2 ? Double.NaN : 1.96 * Math.sqrt(squares * n / (n - 1.0)) / size;
    bands[0][layer] = ratio;
    bands[1][layer] = ratio - half;
    bands[2][layer] = ratio + half;
  }

  private static Curve curve(double[][] bands) {
    List<Grid> grids =
        Arrays.stream(bands)
            .map(band -> {
              float[] values = new float[band.length];
              for (int l = 0; l < values.length; l++) {
                values[l] = (float) band[l];
              }
              return Grid.vector(Axis.index("layer", values.length), values);
            })
            .toList();
    return new Curve(grids.get(0), grids.get(1), grids.get(2));
  }
}
