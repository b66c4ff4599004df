package dev.fathom.concepts.steer;

import dev.fathom.concepts.steer.SteeringResult.Trial;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.evaluate.GenerationQuality;
import dev.fathom.evaluate.Likelihood;
import dev.fathom.evaluate.Provenances;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generation;
import dev.fathom.model.Generator;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// How much does steering move what it is meant to move, and what does that cost? The same prompts
/// continued at several strengths, each beside random directions of the same length; of each
/// strength
///
/// - the effect, as a [Judge] measures it;
/// - the perplexity that the model without steering gives the texts: high for what it would not
///   have said, and low for loops, so look at repetition, too;
/// - the perplexity that the steered model gives neutral text.
///
/// It misleads at large strengths: any direction that is added long enough changes everything, and
/// then the judge is asked about broken text. What counts is an effect that the random direction
/// does not have, at strengths where fluency is as it was.
public final class SteeringSweep {
  private static final int TOGETHER = 16;

  private final Transformer model;
  private final Tokenizer tokenizer;
  private final Config config;
  private final List<int[]> prompts;
  private final List<int[]> neutral;

  /// What is tried.
  ///
  /// @param strengths each multiplies those of the steerings; 0 is without steering
  /// @param judge of the effect
  /// @param tokens which are steered while generating
  /// @param most tokens to generate for a prompt
  /// @param stopIds tokens that end a text
  /// @param controls random directions beside it, at least 1
  /// @param seed of the random directions
  public record Config(
      List<Double> strengths,
      Judge judge,
      Steering.Tokens tokens,
      int most,
      Set<Integer> stopIds,
      int controls,
      long seed) {
    public Config {
      strengths = strengths.stream().map(s -> s + 0.0).distinct().sorted().toList(); // no -0
      stopIds = Set.copyOf(stopIds);
      if (strengths.isEmpty() || strengths.stream().anyMatch(s -> !Double.isFinite(s))) {
        throw new IllegalArgumentException(
            "a sweep needs strengths that are numbers, found " + strengths);
      }
      if (most < 1) {
        throw new IllegalArgumentException("at least 1 token is to be generated, found " + most);
      }
      if (controls < 1) {
        throw new IllegalArgumentException(
            "an effect means little without a random direction beside it: at least 1 is needed,"
                + " found "
                + controls);
      }
    }

    /// Of all tokens, 30 to generate, beside three random directions.
    public static Config of(List<Double> strengths, Judge judge) {
      return new Config(strengths, judge, Steering.Tokens.ALL, 30, Set.of(), 3, 0);
    }

    public Config with(Steering.Tokens tokens) {
      return new Config(strengths, judge, tokens, most, stopIds, controls, seed);
    }

    public Config generating(int most, Set<Integer> stopIds) {
      return new Config(strengths, judge, tokens, most, stopIds, controls, seed);
    }

    public Config withControls(int controls) {
      return new Config(strengths, judge, tokens, most, stopIds, controls, seed);
    }

    public Config withSeed(long seed) {
      return new Config(strengths, judge, tokens, most, stopIds, controls, seed);
    }
  }

  private SteeringSweep(
      Transformer model,
      Tokenizer tokenizer,
      Config config,
      List<int[]> prompts,
      List<int[]> neutral) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.config = config;
    this.prompts = prompts;
    this.neutral = neutral;
  }

  /// Tries all strengths.
  ///
  /// @param steerings of strength 1 each
  /// @param prompts to continue, at least one
  /// @param neutral rows of token ids of text that should stay as probable as it is; may be none
  /// @param done is told after each strength of each direction, [#size] times
  /// @throws IllegalArgumentException if the model is not causal, a prompt is too long for it, or a
  ///   steering cannot be done on it
  public static SteeringResult run(
      Transformer model,
      Tokenizer tokenizer,
      List<? extends Steering> steerings,
      List<Prompt> prompts,
      List<int[]> neutral,
      Config config,
      Runnable done) {
    if (prompts.isEmpty()) {
      throw new IllegalArgumentException("at least one prompt is needed to see what steering does");
    }
    if (!model.card().causal()) {
      throw new IllegalArgumentException(
          "%s is a %s model, which reads both ways and generates nothing: steer a causal model"
              .formatted(model.card().name(), model.card().family()));
    }
    int more = config.judge instanceof Judge.Targets ? 0 : config.most;
    prompts.forEach(prompt -> prompt.requireFits(model.card().context(), more));
    steerings.forEach(steering -> steering.requireFits(model));
    long start = System.nanoTime();
    var sweep =
        new SteeringSweep(
            model,
            tokenizer,
            config,
            prompts.stream().map(Prompt::ids).toList(),
            neutral.stream().filter(ids -> ids.length > 1).toList());
    int[][] targets = targets(tokenizer, prompts, config.judge);
    var directions = new ArrayList<List<Steering>>();
    directions.add(Steering.times(steerings, 1));
    for (int c = 0; c < config.controls; c++) {
      directions.add(Steering.random(steerings, config.seed + c));
    }
    var trials = new ArrayList<List<Trial>>();
    for (List<Steering> direction : directions) {
      var own = new ArrayList<Trial>();
      for (int s = 0; s < config.strengths.size(); s++) {
        double strength = config.strengths.get(s);
        boolean known = strength == 0 && !trials.isEmpty();
        own.add(
            known
                ? trials.getFirst().get(s)
                : sweep.trial(Steering.times(direction, strength), strength, targets));
        done.run();
      }
      trials.add(own);
    }
    return new SteeringResult(
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "steering",
            steerings.stream().map(Steering::summary).collect(Collectors.joining(", ")),
            "tokens",
            config.tokens.name().toLowerCase(Locale.ROOT),
            "decoding",
            "greedy, at most %d tokens".formatted(config.most),
            "judge",
            config.judge.explanation(),
            "random directions",
            "%d, seed %d".formatted(config.controls, config.seed)),
        config.judge,
        prompts.stream().map(Prompt::text).toList(),
        trials.getFirst(),
        trials.subList(1, trials.size()));
  }

  /// How often a run tells that it is done with something.
  public static int size(Config config) {
    return config.strengths.size() * (1 + config.controls);
  }

  /// The first tokens of both words after each prompt, `[prompt][2]`; nothing for other judges.
  private static int[][] targets(Tokenizer tokenizer, List<Prompt> prompts, Judge judge) {
    if (!(judge instanceof Judge.Targets(String first, String second))) {
      return new int[0][];
    }
    return prompts.stream()
        .map(prompt -> {
          int a = Target.of(tokenizer, prompt, first).id();
          int b = Target.of(tokenizer, prompt, second).id();
          if (a == b) {
            throw new IllegalArgumentException(
                "'%s' and '%s' begin with the same token after '%s', so that no share tells them apart"
                    .formatted(first, second, prompt.text()));
          }
          return new int[] {a, b};
        })
        .toArray(int[][]::new);
  }

  private Trial trial(List<Steering> steerings, double strength, int[][] targets) {
    Tap tap = Steering.tap(model, steerings, config.tokens);
    List<Generation> texts = generated(tap);
    List<int[]> rows = new ArrayList<>();
    for (Generation text : texts) {
      rows.add(
          Stream.concat(text.prompt().stream(), said(text).stream())
              .mapToInt(Integer::intValue)
              .toArray());
    }
    double effect =
        switch (config.judge) {
          case Judge.Targets _ -> share(tap, targets);
          case Judge.Along along -> score(along, rows);
        };
    return new Trial(
        strength,
        effect,
        perplexity(TokenScorer.of(model), rows, prompts),
        neutral.isEmpty()
            ? Double.NaN
            : perplexity(SteeredModel.of(model, steerings), neutral, List.of()),
        GenerationQuality.of(texts.stream().map(SteeringSweep::said).toList()).repetition(),
        texts.stream().map(Generation::text).toList());
  }

  private List<Generation> generated(Tap tap) {
    var generator = Generator.of(model, tokenizer).with(tap);
    var decoding = Decoding.greedy(config.most).stopAt(config.stopIds);
    var texts = new ArrayList<Generation>();
    for (int from = 0; from < prompts.size(); from += TOGETHER) {
      List<int[]> some = prompts.subList(from, Math.min(prompts.size(), from + TOGETHER));
      texts.addAll(generator.run(some, decoding, Generator.Listener.NONE));
    }
    return texts;
  }

  /// What was generated, without the token that ended it.
  private static List<Integer> said(Generation text) {
    boolean ended = text.stop() == Generation.Stop.STOP_TOKEN;
    return text.tokens().subList(0, text.tokens().size() - (ended ? 1 : 0));
  }

  /// The mean share of the first of two tokens after each prompt.
  private double share(Tap tap, int[][] targets) {
    double sum = 0;
    for (int from = 0; from < prompts.size(); from += TOGETHER) {
      List<int[]> some = prompts.subList(from, Math.min(prompts.size(), from + TOGETHER));
      try (var session = model.session(some.size(), tap);
          var scope = Scope.withoutGradients()) {
        Tensor p = session.append(some).wide(); // [rows, vocab]
        for (int row = 0; row < some.size(); row++) {
          int[] asked = targets[from + row];
          double first = p.select(0, row).select(0, asked[0]).item();
          double second = p.select(0, row).select(0, asked[1]).item();
          sum += 1 / (1 + Math.exp(second - first));
        }
      }
    }
    return sum / prompts.size();
  }

  /// The mean score of the tokens that were generated, as the model reads them by itself; NaN of
  /// none.
  private double score(Judge.Along along, List<int[]> rows) {
    List<double[]> read = Readout.of(model, rows, along.site(), along.direction());
    double sum = 0;
    long tokens = 0;
    for (int row = 0; row < rows.size(); row++) {
      for (int t = prompts.get(row).length; t < rows.get(row).length; t++) {
        sum += along.direction().score(read.get(row)[t]);
        tokens++;
      }
    }
    return tokens == 0 ? Double.NaN : sum / tokens;
  }

  /// Of what follows the beginning of each row; NaN where nothing does.
  ///
  /// @param beginnings what is not counted; none for each row's first token
  private static double perplexity(TokenScorer scorer, List<int[]> rows, List<int[]> beginnings) {
    List<float[]> found = scorer.score(rows, Likelihood.Config.standard());
    double nats = 0;
    long tokens = 0;
    for (int row = 0; row < rows.size(); row++) {
      int from = beginnings.isEmpty() ? 0 : beginnings.get(row).length - 1;
      float[] values = found.get(row);
      nats -= IntStream.range(from, values.length).mapToDouble(i -> values[i]).sum();
      tokens += values.length - from;
    }
    return tokens == 0 ? Double.NaN : Math.exp(nats / tokens);
  }

  /// Beginnings of texts as rows for neutral perplexities, each text a row of its own, with the
  /// start token where the tokenizer's files ask for one.
  ///
  /// @param most tokens, about
  public static List<int[]> rows(
      Transformer model, Tokenizer tokenizer, List<String> texts, int most) {
    var rows = new ArrayList<int[]>();
    int longest = Math.min(256, model.card().context());
    int tokens = 0;
    for (String text : texts) {
      if (tokens >= most) {
        break;
      }
      int[] ids = tokenizer.encode(text).ids();
      if (ids.length > 1) {
        rows.add(Arrays.copyOf(ids, Math.min(ids.length, longest)));
        tokens += rows.getLast().length;
      }
    }
    return rows;
  }
}
