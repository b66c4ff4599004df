package dev.fathom.align.lope;

import dev.fathom.align.probe.Features;
import dev.fathom.align.probe.Probing;
import dev.fathom.align.probe.ProbingResult;
import dev.fathom.align.probe.TwoClasses;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.model.Kind;
import dev.fathom.model.Transformer;
import dev.fathom.text.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.Function;
import java.util.function.IntConsumer;

/// Where does a model tell stereotypes from other sentences, and which neurons write there? Probes
/// of every layer ([Probing]), then the neurons along them ([NeuronSurvey]), read on the
/// stereotypes, the anti-stereotypes and the unrelated sentences of the same items: what the
/// thesis' Figures 4.9, 4.10 and 5.5 to 5.7 show.
///
/// @param probing the probes, two a layer
/// @param neurons the neurons along the first of each
public record StereotypeSurvey(ProbingResult probing, NeuronSurveyResult neurons) {
  /// How it is done.
  ///
  /// @param labels what stereotypes are told from
  /// @param most sentences of each kind on which neurons are read
  /// @param neutral further texts to read them on; may be none
  /// @param neurons what is looked for; its start token is that of the probes, too
  /// @param cache where features are kept between runs; empty for nowhere
  public record Config(
      Lope.Labels labels,
      int most,
      List<String> neutral,
      NeuronSurvey.Config neurons,
      Optional<Path> cache) {
    public Config {
      neutral = List.copyOf(neutral);
      if (most < 1) {
        throw new IllegalArgumentException("At least 1 sentence is needed, found " + most + ".");
      }
    }

    /// Against all other sentences; neurons on a thousand of each kind, as in the thesis.
    public static Config standard() {
      return new Config(
          Lope.Labels.REST, 1000, List.of(), NeuronSurvey.Config.standard(), Optional.empty());
    }

    public Config with(Lope.Labels labels) {
      return new Config(labels, most, neutral, neurons, cache);
    }

    public Config with(NeuronSurvey.Config neurons) {
      return new Config(labels, most, neutral, neurons, cache);
    }

    /// The same on fewer or more sentences of each kind.
    public Config withMost(int most) {
      return new Config(labels, most, neutral, neurons, cache);
    }

    /// The same with further texts that have nothing to do with it.
    public Config withNeutral(List<String> neutral) {
      return new Config(labels, most, neutral, neurons, cache);
    }

    public Config withCache(Path cache) {
      return new Config(labels, most, neutral, neurons, Optional.of(cache));
    }
  }

  /// How many texts are read.
  public static int texts(List<StereoSetItem> items, Config config) {
    int probed = StereotypeTexts.classes(items, config.labels).size();
    return probed + groups(items, config).stream().mapToInt(own -> own.texts().size()).sum();
  }

  /// @param items of one domain or several
  /// @param progress is told how many texts more are done
  public static StereotypeSurvey run(
      Transformer model,
      Tokenizer tokenizer,
      List<StereoSetItem> items,
      Config config,
      IntConsumer progress) {
    TwoClasses data = StereotypeTexts.classes(items, config.labels);
    long seed = config.neurons.seed();
    ProbingResult probing;
    try (Features features = features(model, tokenizer, data, config, progress)) {
      probing =
          Probing.run(
              model,
              features,
              data,
              StereotypeTexts.split(data, seed),
              Probing.Config.standard().withShuffles(0).withSeed(seed),
              () -> {});
    }
    return new StereotypeSurvey(
        probing,
        NeuronSurvey.run(
            model, tokenizer, probing, groups(items, config), config.neurons, progress));
  }

  private static Features features(
      Transformer model,
      Tokenizer tokenizer,
      TwoClasses data,
      Config config,
      IntConsumer progress) {
    List<Features.Text> texts = data.texts().stream().map(Features.Text::of).toList();
    var plain = Features.Config.of(Features.everyLayer(model, Kind.RESID_POST));
    var reading = config.neurons.startToken().map(plain::startToken).orElse(plain);
    return config.cache.isPresent()
        ? Features.cached(model, tokenizer, texts, reading, config.cache.get(), progress)
        : Features.of(model, tokenizer, texts, reading, progress);
  }

  private static List<NeuronSurvey.Texts> groups(List<StereoSetItem> items, Config config) {
    var drawn = new ArrayList<>(items);
    Collections.shuffle(drawn, new Random(config.neurons.seed()));
    List<StereoSetItem> some = drawn.subList(0, Math.min(config.most, drawn.size()));
    var groups = new ArrayList<NeuronSurvey.Texts>();
    groups.add(texts(StereotypeTexts.STEREOTYPE, some, StereoSetItem::stereotype));
    groups.add(texts("anti", some, StereoSetItem::antiStereotype));
    groups.add(texts("unrelated", some, StereoSetItem::unrelated));
    if (!config.neutral.isEmpty()) {
      groups.add(
          new NeuronSurvey.Texts("neutral", config.neutral.stream().limit(config.most).toList()));
    }
    return groups;
  }

  private static NeuronSurvey.Texts texts(
      String name,
      List<StereoSetItem> items,
      Function<StereoSetItem, StereoSetItem.Sentence> sentence) {
    return new NeuronSurvey.Texts(
        name, items.stream().map(item -> sentence.apply(item).text()).toList());
  }
}
