package dev.fathom.refine;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.MeanInterval;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.text.TokenDisplay;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/// What does leaving early save, here, and does it say the same? A model that may leave early
/// continues prompts, greedily and one at a time; then it and the full model (every block, the last
/// layer alone, on the same weights) read those very texts again, token by token, and are timed. As
/// both read the same tokens, a text that ends sooner counts for nothing.
///
/// Skipping at most all but `leastBlocks` of `layers` blocks makes nothing more than `layers /
/// leastBlocks` times as fast; the head, the router and what must be made up for later take from
/// that. Times are those of one row on this machine while it did nothing else, if it did.
///
/// @param layers blocks of the model
/// @param leastBlocks that every token needs
/// @param prompts texts that were continued
/// @param tokens that were generated
/// @param exits tokens that were settled at each layer, from 0 (the embedding), `[layer]`
/// @param blocksToExit blocks before a generated token was settled
/// @param blocksRun blocks that a token passed, whether of prompt or text, those that were made up
///   for later included
/// @param routes layers that were mixed for a token; 0 where nothing is mixed
/// @param heads times that the head was computed for a token
/// @param early times of the model that leaves early
/// @param full times of the full model
/// @param ratio how many times as fast a token is after the prompt, the geometric mean over prompts
/// @param wholeRatio the same of the whole text, its prompt included
/// @param agreement share of tokens that the full model, at the same place, would say, too
/// @param exactAgreement with [Exit#PROPAGATE] the share that [Exit#EXACT] would say, too
/// @param texts where the tokens of the first few texts were settled
public record ExitReport(
    Provenance provenance,
    int layers,
    int leastBlocks,
    int prompts,
    long tokens,
    Grid exits,
    double blocksToExit,
    double blocksRun,
    double routes,
    double heads,
    Times early,
    Times full,
    Mean ratio,
    Mean wholeRatio,
    double agreement,
    OptionalDouble exactAgreement,
    List<Text> texts)
    implements Result {
  /// Texts that are shown.
  private static final int SHOWN = 4;

  public ExitReport {
    texts = List.copyOf(texts);
  }

  /// A mean over prompts with its 95 % interval; NaN where there are too few.
  public record Mean(double mean, double low, double high) {
    static Mean of(MeanInterval values) {
      return new Mean(values.mean(), values.low(), values.high());
    }

    private Mean exp() {
      return new Mean(Math.exp(mean), Math.exp(low), Math.exp(high));
    }
  }

  /// Seconds.
  ///
  /// @param prompt until the first token
  /// @param token each one after that
  public record Times(Mean prompt, Mean token) {}

  /// One text.
  ///
  /// @param tokens as text, whitespace made visible
  /// @param exits the layer at which each was settled
  public record Text(List<String> tokens, List<Integer> exits) {
    public Text {
      tokens = List.copyOf(tokens);
      exits = List.copyOf(exits);
    }
  }

  /// How many times as fast skipping blocks alone can be: `n / (n − k + 1)` with a mixture of k.
  public double bound() {
    return (double) layers / leastBlocks;
  }

  // ---------------------------------------------------------------- measuring

  /// What is asked.
  ///
  /// @param tokens most tokens of a text, at least 2
  /// @param stopIds tokens that end one
  public record Config(int tokens, Set<Integer> stopIds) {
    public Config {
      stopIds = Set.copyOf(stopIds);
      if (tokens < 2) {
        throw new IllegalArgumentException(
            "times are those of tokens after the first: at least 2 are needed, found " + tokens);
      }
    }
  }

  /// A reading of a prompt and its text.
  ///
  /// @param said best token at each place, the first after the prompt
  /// @param steps seconds of each: the prompt's first
  private record Reading(int[] said, double[] steps) {
    double prompt() {
      return steps[0];
    }

    /// Mean of those after the first.
    double token() {
      return Arrays.stream(steps).skip(1).average().orElse(Double.NaN);
    }

    double whole() {
      return Arrays.stream(steps).sum();
    }
  }

  /// What has been measured so far.
  private static final class Totals {
    private final MeanInterval earlyPrompt = new MeanInterval();
    private final MeanInterval earlyToken = new MeanInterval();
    private final MeanInterval fullPrompt = new MeanInterval();
    private final MeanInterval fullToken = new MeanInterval();
    private final MeanInterval logRatio = new MeanInterval();
    private final MeanInterval logWholeRatio = new MeanInterval();
    private final List<Text> texts = new ArrayList<>();
    private final long[] exits;
    private long read;
    private long tokens;
    private long blocks;
    private long routes;
    private long heads;
    private long agreeing;
    private long agreeingExact;

    Totals(int layers) {
      this.exits = new long[layers + 1];
    }

    void add(Reading early, Reading full) {
      earlyPrompt.add(early.prompt());
      fullPrompt.add(full.prompt());
      logWholeRatio.add(Math.log(full.whole() / early.whole()));
      if (early.steps.length > 1) {
        earlyToken.add(early.token());
        fullToken.add(full.token());
        logRatio.add(Math.log(full.token() / early.token()));
      }
    }

    void add(ExitSession.Effort effort) {
      read += effort.tokens();
      tokens += effort.predictions();
      blocks += effort.blocks();
      routes += effort.routes();
      heads += effort.heads();
      for (int layer = 0; layer < exits.length; layer++) {
        exits[layer] += effort.exits().get(layer);
      }
    }
  }

  /// @param progress is told of each prompt that is done
  /// @throws IllegalArgumentException if there is no prompt, or one fills the context
  public static ExitReport run(
      EarlyExit model,
      Tokenizer tokenizer,
      List<Prompt> prompts,
      Config config,
      IntConsumer progress) {
    long start = System.nanoTime();
    if (prompts.isEmpty()) {
      throw new IllegalArgumentException("there is no prompt to continue");
    }
    prompts.forEach(prompt -> prompt.requireFits(model.card().context(), 1));
    var totals = new Totals(model.transformer().layers());
    for (int p = 0; p < prompts.size(); p++) {
      add(model, tokenizer, prompts.get(p).ids(), config, p, totals);
      progress.accept(1);
    }
    return of(model, prompts.size(), config, totals, (System.nanoTime() - start) / 1e9);
  }

  private static void add(
      EarlyExit model, Tokenizer tokenizer, int[] prompt, Config config, int p, Totals totals) {
    int[] text = generated(model, tokenizer, prompt, config, totals);
    Transformer full = model.transformer();
    if (p == 0) {
      reread(full, prompt, text); // warm up
    }
    boolean fullFirst = p % 2 == 1;
    Reading before = fullFirst ? reread(full, prompt, text) : null;
    Reading early = reread(model, prompt, text);
    Reading other = before == null ? reread(full, prompt, text) : before;
    totals.add(early, other);
    totals.agreeing += agreeing(text, other.said);
    if (model.exit() == Exit.PROPAGATE) {
      totals.agreeingExact += agreeing(text, reread(model.with(Exit.EXACT), prompt, text).said);
    }
  }

  private static long agreeing(int[] text, int[] said) {
    return IntStream.range(0, text.length).filter(t -> text[t] == said[t]).count();
  }

  private static int[] generated(
      EarlyExit model, Tokenizer tokenizer, int[] prompt, Config config, Totals totals) {
    var text = new ArrayList<Integer>();
    var layers = new ArrayList<Integer>();
    int most = Math.min(config.tokens, model.card().context() - prompt.length + 1);
    try (var session = model.session(1)) {
      int[] next = prompt;
      long before = 0;
      while (text.size() < most && (text.isEmpty() || !config.stopIds.contains(text.getLast()))) {
        int said = said(session, next);
        next = new int[] {said};
        text.add(said);
        long passed = session.effort().blocksToExit();
        layers.add((int) (passed - before));
        before = passed;
      }
      totals.add(session.effort());
    }
    if (totals.texts.size() < SHOWN) {
      totals.texts.add(
          new Text(text.stream().map(id -> TokenDisplay.of(tokenizer, id)).toList(), layers));
    }
    return text.stream().mapToInt(Integer::intValue).toArray();
  }

  /// Reads a prompt and all of its text but the last token, which nothing follows.
  private static Reading reread(LanguageModel model, int[] prompt, int[] text) {
    int[] said = new int[text.length];
    double[] steps = new double[text.length];
    try (var session = model.session(1)) {
      for (int t = 0; t < text.length; t++) {
        long start = System.nanoTime();
        said[t] = said(session, t == 0 ? prompt : new int[] {text[t - 1]});
        steps[t] = (System.nanoTime() - start) / 1e9;
      }
    }
    return new Reading(said, steps);
  }

  private static int said(LanguageModel.Session session, int[] next) {
    try (var scope = Scope.withoutGradients()) {
      return Math.toIntExact(session.append(List.of(next)).argmax(-1).toLongs()[0]);
    }
  }

  private static ExitReport of(
      EarlyExit model, int prompts, Config config, Totals totals, double seconds) {
    int layers = model.transformer().layers();
    double tokens = totals.tokens;
    long toExit =
        IntStream.rangeClosed(0, layers).mapToLong(layer -> layer * totals.exits[layer]).sum();
    return new ExitReport(
        Provenances.of(model, seconds, parameters(model, config)),
        layers,
        model.leastBlocks(),
        prompts,
        totals.tokens,
        Grid.integer(List.of(Axis.index("layer", layers + 1)), totals.exits),
        toExit / tokens,
        (double) totals.blocks / totals.read,
        totals.routes / tokens,
        totals.heads / tokens,
        new Times(Mean.of(totals.earlyPrompt), Mean.of(totals.earlyToken)),
        new Times(Mean.of(totals.fullPrompt), Mean.of(totals.fullToken)),
        Mean.of(totals.logRatio).exp(),
        Mean.of(totals.logWholeRatio).exp(),
        totals.agreeing / tokens,
        model.exit() == Exit.PROPAGATE
            ? OptionalDouble.of(totals.agreeingExact / tokens)
            : OptionalDouble.empty(),
        totals.texts);
  }

  private static String[] parameters(EarlyExit model, Config config) {
    var parameters = new ArrayList<String>();
    switch (model) {
      case MixtureModel mixture ->
          parameters.addAll(
              List.of(
                  "late",
                  Integer.toString(mixture.mixture().late()),
                  "routes",
                  Integer.toString(mixture.mixture().topK())));
      case ConfidenceExit confidence ->
          parameters.addAll(
              List.of(
                  "confidence",
                  confidence.rule().measure().text(),
                  "threshold",
                  Double.toString(confidence.rule().threshold()),
                  "min_layer",
                  Integer.toString(confidence.rule().minLayer()),
                  "lens",
                  confidence.lens()));
    }
    parameters.addAll(
        List.of(
            "mode",
            model.exit().name().toLowerCase(Locale.ROOT),
            "tokens",
            Integer.toString(config.tokens)));
    return parameters.toArray(String[]::new);
  }

  // ---------------------------------------------------------------- showing

  @Override
  public String method() {
    return "exit";
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>(List.of(summary(), table(), histogram()));
    for (int i = 0; i < texts.size(); i++) {
      views.add(strip(i));
    }
    return views;
  }

  private View summary() {
    String speed =
        format(
            "Over the same tokens, %s times as fast as every block (%s prompt included). Skipping"
                + " blocks alone allows at most %d / %d = %.2f.",
            number(ratio), number(wholeRatio), layers, leastBlocks, bound());
    String same =
        format(
            "%.1f %% of %d tokens are what the full model would say at the same place.%s",
            100 * agreement,
            tokens,
            exactAgreement.isEmpty()
                ? ""
                : format(
                    " With keys and values made up for exactly, %.1f %% would be the same.",
                    100 * exactAgreement.getAsDouble()));
    return View.Text.of("Leaving early", speed, same);
  }

  private static String number(Mean mean) {
    return Double.isNaN(mean.low)
        ? format("%.2f", mean.mean)
        : format("%.2f (%.2f to %.2f)", mean.mean, mean.low, mean.high);
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  private View table() {
    View.Cell none = View.Cell.of("");
    View.Cell all = View.Cell.of((double) layers);
    View.Cell mixed = routes == 0 ? none : View.Cell.of(routes);
    View.Cell count = View.Cell.of((double) tokens);
    return new View.Table(
        "What leaving early saves",
        "What does a token cost, and what when every block is run and the last layer speaks alone?"
            + " Blocks in all are those of prompts and of tokens that were made up for, too.",
        List.of("", "leaving early", "full model", "times less"),
        List.of(
            row("blocks until settled", View.Cell.of(blocksToExit), all, layers / blocksToExit),
            row("blocks run in all", View.Cell.of(blocksRun), all, layers / blocksRun),
            row("at most, by blocks", View.Cell.of((double) leastBlocks), all, bound()),
            List.of(View.Cell.of("layers mixed"), mixed, none, none),
            row("heads computed", View.Cell.of(heads), View.Cell.of(1.0), 1 / heads),
            List.of(
                View.Cell.of("ms after the prompt"),
                milliseconds(early.token),
                milliseconds(full.token),
                quantity(ratio, 1)),
            row(
                "ms for the prompt",
                milliseconds(early.prompt),
                milliseconds(full.prompt),
                full.prompt.mean / early.prompt.mean),
            List.of(View.Cell.of("tokens generated"), count, count, none)));
  }

  private static List<View.Cell> row(
      String name, View.Cell early, View.Cell full, double timesLess) {
    return List.of(View.Cell.of(name), early, full, View.Cell.of(timesLess));
  }

  private static View.Cell milliseconds(Mean seconds) {
    return quantity(seconds, 1000);
  }

  private static View.Cell quantity(Mean mean, double factor) {
    return new View.Quantity(factor * mean.mean, factor * mean.low, factor * mean.high);
  }

  private View histogram() {
    var bars = new ArrayList<View.Item>();
    for (int layer = leastBlocks; layer <= layers; layer++) {
      bars.add(View.Item.of("layer " + layer, exits.at(layer)));
    }
    return new View.Ranking(
        "Where tokens are settled", "After how many blocks is a token settled?", bars, "tokens");
  }

  private View strip(int text) {
    var strip = new ArrayList<View.Token>();
    List<String> said = texts.get(text).tokens;
    for (int t = 0; t < said.size(); t++) {
      int layer = texts.get(text).exits.get(t);
      String detail = "settled at layer %d of %d".formatted(layer, layers);
      strip.add(new View.Token(said.get(t), layer, List.of(detail)));
    }
    return new View.Tokens(
        texts.size() == 1 ? "Text" : "Text " + (text + 1),
        "After how many blocks was each token settled?",
        strip,
        Scale.sequential("layer").between(0, layers));
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("exits", exits);
    return arrays;
  }
}
