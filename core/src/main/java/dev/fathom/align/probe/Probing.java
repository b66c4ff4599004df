package dev.fathom.align.probe;

import dev.fathom.data.LabelledText;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// At which layers can a line tell two classes of texts apart, and is it one line throughout? Each
/// layer gets a probe ([LogisticFit]), further ones orthogonal to it ([OrthogonalProbes]), probes
/// that learn shuffled labels, and all are tried on texts they have not learnt from; then each
/// layer's probe is tried on all layers ([Generalisation]). Layers share nothing.
///
/// A probe that works says that the class can be read there, not that the model reads it: whether
/// anything depends on the direction, an ablation or an edit tells. It may also read something else
/// that goes with the class in these texts, such as their length, topic or source.
///
/// ```java
/// var data = TwoClasses.of(LabelledTextFile.read(file));
/// var split = Split.random(data.positive(), 0.2, seed);
/// ProbingResult result =
///     Probing.run(model, features, data, split, Probing.Config.standard(), () -> {});
/// ```
public final class Probing {
  private final Features features;
  private final Config config;
  private final boolean[] positive;
  private final Split split;
  private final Optional<Split> atRandom;
  private final List<boolean[]> learnt; // the labels, then shuffled ones, of the texts to learn
  private final List<boolean[]> held; // the same of the others

  /// What is done.
  ///
  /// @param probes how many, each orthogonal to those before
  /// @param shuffles probes that learn shuffled labels
  /// @param fit how each is trained
  /// @param span which probes are said to read a layer
  /// @param seed of what is shuffled
  public record Config(int probes, int shuffles, LogisticFit.Config fit, SpanRule span, long seed) {
    public Config {
      if (probes < 1 || shuffles < 0) {
        throw new IllegalArgumentException(
            "at least 1 probe and no fewer than 0 shuffles are needed, found %d and %d"
                .formatted(probes, shuffles));
      }
    }

    /// Two probes, five shuffles, spans where AUC exceeds 0.9.
    public static Config standard() {
      return new Config(2, 5, LogisticFit.Config.standard(), new SpanRule.Threshold(0.9), 0);
    }

    public Config withProbes(int probes) {
      return new Config(probes, shuffles, fit, span, seed);
    }

    public Config withShuffles(int shuffles) {
      return new Config(probes, shuffles, fit, span, seed);
    }

    public Config with(LogisticFit.Config fit) {
      return new Config(probes, shuffles, fit, span, seed);
    }

    public Config with(SpanRule span) {
      return new Config(probes, shuffles, fit, span, seed);
    }

    public Config withSeed(long seed) {
      return new Config(probes, shuffles, fit, span, seed);
    }
  }

  private Probing(Features features, TwoClasses data, Split split, Config config) {
    this.features = features;
    this.config = config;
    this.positive = data.positive();
    this.split = split;
    this.atRandom =
        split.rule() == Split.Rule.GROUP
            ? Optional.of(
                Split.random(positive, split.test().size() / (double) positive.length, config.seed))
            : Optional.empty();
    this.learnt = labellings(split.train(), 0);
    this.held = labellings(split.test(), 1);
  }

  /// The true labels of some examples and shuffled ones, with as many of each class.
  private List<boolean[]> labellings(List<Integer> places, int side) {
    var labellings = new ArrayList<boolean[]>();
    labellings.add(Split.of(positive, places));
    for (int shuffle = 0; shuffle < config.shuffles; shuffle++) {
      var order = new ArrayList<>(places);
      Collections.shuffle(order, new Random(config.seed * 1_000_003 + 2 * shuffle + side));
      labellings.add(Split.of(positive, order));
    }
    return labellings;
  }

  /// Probes every slice of some features.
  ///
  /// @param features of the texts of `data`, in their order
  /// @param done is called after each layer, by any thread
  /// @throws IllegalArgumentException if features and texts differ in number
  public static ProbingResult run(
      Transformer model,
      Features features,
      TwoClasses data,
      Split split,
      Config config,
      Runnable done) {
    if (features.size() != data.size()) {
      throw new IllegalArgumentException(
          "features of %d texts for %d labelled ones".formatted(features.size(), data.size()));
    }
    long start = System.nanoTime();
    var probing = new Probing(features, data, split, config);
    List<Slice> slices = features.slices();
    List<LayerProbes> layers =
        Layerwise.of(slices.size(), layer -> probing.layer(slices.get(layer)), done);
    Optional<Generalisation> generalisation = probing.generalisation(layers);
    List<LabelledText> texts = split.test().stream().map(data.texts()::get).toList();
    var result =
        new ProbingResult(
            Provenances.of(
                model,
                (System.nanoTime() - start) / 1e9,
                probing.parameters(data).entrySet().stream()
                    .flatMap(entry -> List.of(entry.getKey(), entry.getValue()).stream())
                    .toArray(String[]::new)),
            data.positiveLabel(),
            data.negativeLabel(),
            split.train().size(),
            IntStream.range(0, texts.size()).mapToObj(i -> probing.held.getFirst()[i]).toList(),
            texts.stream().map(LabelledText::text).toList(),
            layers,
            generalisation,
            config.span,
            List.of());
    return result.picturingSome();
  }

  private LayerProbes layer(Slice slice) {
    try (var scope = Scope.withoutGradients()) {
      Tensor x = features.at(slice);
      Tensor own = rows(x, split.train());
      Tensor others = rows(x, split.test());
      List<LogisticFit.Fitted> together = LogisticFit.of(own, learnt, config.fit);
      List<LogisticFit.Fitted> probes =
          OrthogonalProbes.after(
              together.getFirst(), own, learnt.getFirst(), config.probes, config.fit);
      var projections = new ArrayList<double[]>();
      var qualities = new ArrayList<Quality>();
      for (LogisticFit.Fitted fitted : probes) {
        projections.add(fitted.probe().projections(others));
        qualities.add(quality(fitted.probe(), projections.getLast(), held.getFirst()));
      }
      var shuffled = new ArrayList<Double>();
      for (int k = 1; k < together.size(); k++) {
        double[] scores = together.get(k).probe().projections(others);
        shuffled.add(Auc.value(scores, held.get(k)));
      }
      return new LayerProbes(
          slice,
          probes,
          qualities,
          shuffled,
          atRandom.map(random -> quality(x, random)),
          Geometry.of(projections, held.getFirst()));
    }
  }

  private static Tensor rows(Tensor x, List<Integer> places) {
    return x.indexSelect(0, places.stream().mapToLong(Integer::longValue).toArray());
  }

  private static Quality quality(LogisticProbe probe, double[] projections, boolean[] positive) {
    return Quality.of(Arrays.stream(projections).map(probe::logOdds).toArray(), positive);
  }

  private Quality quality(Tensor x, Split other) {
    try (var scope = Scope.open()) {
      LogisticProbe probe =
          LogisticFit.of(rows(x, other.train()), Split.of(positive, other.train()), config.fit)
              .probe();
      double[] projections = probe.projections(rows(x, other.test()));
      return quality(probe, projections, Split.of(positive, other.test()));
    }
  }

  private Optional<Generalisation> generalisation(List<LayerProbes> layers) {
    List<LogisticProbe> probes = layers.stream().map(LayerProbes::probe).toList();
    boolean alike = probes.stream().map(LogisticProbe::width).distinct().count() == 1;
    return alike
        ? Optional.of(
            Generalisation.of(features, features.slices(), probes, split.test(), held.getFirst()))
        : Optional.empty();
  }

  private LinkedHashMap<String, String> parameters(TwoClasses data) {
    var parameters = new LinkedHashMap<String, String>();
    parameters.put("positive", data.positiveLabel());
    parameters.put("negative", data.negativeLabel());
    parameters.put("sites", sites());
    parameters.put("reduce", features.config().reduction().text());
    features
        .config()
        .startToken()
        .ifPresent(present -> parameters.put("start token", present ? "yes" : "no"));
    if (features.config().special()) {
      parameters.put("special tokens", "counted");
    }
    parameters.put("split", split.rule().text());
    parameters.put("learnt from", Integer.toString(split.train().size()));
    parameters.put("tested on", Integer.toString(split.test().size()));
    parameters.put("probes", Integer.toString(config.probes));
    parameters.put("shuffles", Integer.toString(config.shuffles));
    parameters.put("C", Double.toString(config.fit.c()));
    parameters.put("seed", Long.toString(config.seed));
    return parameters;
  }

  private String sites() {
    List<Slice> slices = features.slices();
    return slices.size() <= 3
        ? slices.stream().map(Slice::toString).collect(Collectors.joining(", "))
        : "%s to %s".formatted(slices.getFirst(), slices.getLast());
  }
}
