package dev.fathom.refine;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.MeanInterval;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.LanguageModel;
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
/// continues prompts, greedily, one at a time or in batches; then it and another model read those
/// very texts again, token by token, and are timed. The other is the full model (every block, the
/// last layer alone, on the same weights) unless it is said otherwise. As both read the same
/// tokens, a text that ends sooner counts for nothing.
///
/// Skipping at most all but `leastBlocks` of `layers` blocks makes nothing more than `layers /
/// leastBlocks` times as fast; the head, the router and what must be made up for later take from
/// that. Times are those of this machine while it did nothing else, if it did.
///
/// @param layers blocks of the model
/// @param leastBlocks that every token needs
/// @param prompts texts that were continued
/// @param batch that were read together
/// @param tokens that were generated
/// @param exits tokens that were settled at each layer, from 0 (the embedding), `[layer]`
/// @param blocksToExit blocks before a generated token was settled
/// @param blocksRun blocks that a token passed, whether of prompt or text, those that were made up
///   for later included
/// @param routes layers that were mixed for a token; 0 where nothing is mixed
/// @param heads times that the head was computed for a token
/// @param early times of the model that leaves early
/// @param other what it is compared with, two words: `full model`
/// @param full times of that
/// @param ratio how many times as fast a token is after the prompt, the geometric mean over batches
/// @param wholeRatio the same of the whole text, its prompt included
/// @param agreement share of tokens that the other model, at the same place, would say, too
/// @param exactAgreement with [Exit#PROPAGATE] the share that [Exit#EXACT] would say, too
/// @param texts where the tokens of the first few texts were settled
public record ExitReport(
    Provenance provenance,
    int layers,
    int leastBlocks,
    int prompts,
    int batch,
    long tokens,
    Grid exits,
    double blocksToExit,
    double blocksRun,
    double routes,
    double heads,
    Times early,
    String other,
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

  /// A mean over batches with its 95 % interval; NaN where there are too few.
  public record Mean(double mean, double low, double high) {
    static Mean of(MeanInterval values) {
      return new Mean(values.mean(), values.low(), values.high());
    }

    private Mean exp() {
      return new Mean(Math.exp(mean), Math.exp(low), Math.exp(high));
    }
  }

  /// Seconds of a text; those of a batch, shared among its texts.
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
  /// @param stopIds tokens that end one; none where several are read together, as all of a batch go
  ///   on for as long
  /// @param batch prompts that are continued together
  public record Config(int tokens, Set<Integer> stopIds, int batch) {
    public Config {
      stopIds = Set.copyOf(stopIds);
      if (tokens < 2) {
        throw new IllegalArgumentException(
            "times are those of tokens after the first: at least 2 are needed, found " + tokens);
      }
      if (batch < 1 || (batch > 1 && !stopIds.isEmpty())) {
        throw new IllegalArgumentException(
            "a batch is of 1 text that may end, or of several that go on alike, found %d with %d stop tokens"
                .formatted(batch, stopIds.size()));
      }
    }

    /// One prompt at a time.
    public Config(int tokens, Set<Integer> stopIds) {
      this(tokens, stopIds, 1);
    }
  }

  /// What a model is compared with.
  private record Other(LanguageModel model, String name) {}

  /// A reading of prompts and their texts.
  ///
  /// @param said best token at each place, the first after the prompt, `[row][place]`
  /// @param steps seconds of each: the prompts' first
  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Reading(int[][] said, double[] steps) {
    double prompt() {
      return steps[0] / said.length;
    }

    /// Mean of those after the first.
    double token() {
      return Arrays.stream(steps).skip(1).average().orElse(Double.NaN) / said.length;
    }

    double whole() {
      return Arrays.stream(steps).sum();
    }

    int rows() {
      return said.length;
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

  /// Compares with the full model.
  ///
  /// @param progress is told of prompts that are done
  /// @throws IllegalArgumentException if there is no prompt, or one fills the context
  public static ExitReport run(
      EarlyExit model,
      Tokenizer tokenizer,
      List<Prompt> prompts,
      Config config,
      IntConsumer progress) {
    var full = new Other(model.transformer(), "full model");
    return measure(model, full, tokenizer, prompts, config, progress);
  }

  /// Compares with another model of the same vocabulary.
  ///
  /// @param name what it is called, two words
  public static ExitReport run(
      EarlyExit model,
      LanguageModel other,
      String name,
      Tokenizer tokenizer,
      List<Prompt> prompts,
      Config config,
      IntConsumer progress) {
    return measure(model, new Other(other, name), tokenizer, prompts, config, progress);
  }

  private static ExitReport measure(
      EarlyExit model,
      Other other,
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
    for (int from = 0; from < prompts.size(); from += config.batch) {
      List<int[]> batch =
          prompts.subList(from, Math.min(prompts.size(), from + config.batch)).stream()
              .map(Prompt::ids)
              .toList();
      add(model, other.model, tokenizer, batch, config, from / config.batch, totals);
      progress.accept(batch.size());
    }
    return of(model, other, prompts.size(), config, totals, (System.nanoTime() - start) / 1e9);
  }

  private static void add(
      EarlyExit model,
      LanguageModel other,
      Tokenizer tokenizer,
      List<int[]> prompts,
      Config config,
      int number,
      Totals totals) {
    int[][] texts = generated(model, tokenizer, prompts, config, totals);
    if (number == 0) {
      reread(other, prompts, texts); // warm up
    }
    boolean otherFirst = number % 2 == 1;
    Reading before = otherFirst ? reread(other, prompts, texts) : null;
    Reading early = reread(model, prompts, texts);
    Reading full = before == null ? reread(other, prompts, texts) : before;
    totals.add(early, full);
    totals.agreeing += agreeing(texts, full);
    if (model.exit() == Exit.PROPAGATE) {
      totals.agreeingExact += agreeing(texts, reread(model.with(Exit.EXACT), prompts, texts));
    }
  }

  private static long agreeing(int[][] texts, Reading reading) {
    return IntStream.range(0, reading.rows())
        .mapToLong(row ->
            IntStream.range(0, texts[row].length)
                .filter(t -> texts[row][t] == reading.said[row][t])
                .count())
        .sum();
  }

  /// Greedy texts of one length, `[row][place]`.
  private static int[][] generated(
      EarlyExit model, Tokenizer tokenizer, List<int[]> prompts, Config config, Totals totals) {
    var steps = new ArrayList<int[]>(); // [place][row]
    var layers = new ArrayList<Integer>();
    int longest = prompts.stream().mapToInt(prompt -> prompt.length).max().orElse(0);
    int most = Math.min(config.tokens, model.card().context() - longest + 1);
    try (var session = model.session(prompts.size())) {
      List<int[]> next = prompts;
      long before = 0;
      while (steps.size() < most
          && (steps.isEmpty() || !config.stopIds.contains(steps.getLast()[0]))) {
        int[] said = said(session, next);
        next = Arrays.stream(said).mapToObj(id -> new int[] {id}).toList();
        steps.add(said);
        long passed = session.effort().blocksToExit();
        layers.add((int) (passed - before));
        before = passed;
      }
      totals.add(session.effort());
    }
    int[][] texts = transposed(steps, prompts.size());
    if (config.batch == 1 && totals.texts.size() < SHOWN) {
      totals.texts.add(
          new Text(
              Arrays.stream(texts[0]).mapToObj(id -> TokenDisplay.of(tokenizer, id)).toList(),
              layers));
    }
    return texts;
  }

  private static int[][] transposed(List<int[]> steps, int rows) {
    return IntStream.range(0, rows)
        .mapToObj(row -> steps.stream().mapToInt(step -> step[row]).toArray())
        .toArray(int[][]::new);
  }

  /// Reads prompts and all of their texts but the last tokens, which nothing follows.
  private static Reading reread(LanguageModel model, List<int[]> prompts, int[][] texts) {
    int length = texts[0].length;
    var said = new ArrayList<int[]>();
    double[] steps = new double[length];
    try (var session = model.session(prompts.size())) {
      for (int t = 0; t < length; t++) {
        int last = t - 1;
        List<int[]> next =
            t == 0 ? prompts : Arrays.stream(texts).map(text -> new int[] {text[last]}).toList();
        long start = System.nanoTime();
        said.add(said(session, next));
        steps[t] = (System.nanoTime() - start) / 1e9;
      }
    }
    return new Reading(transposed(said, prompts.size()), steps);
  }

  private static int[] said(LanguageModel.Session session, List<int[]> next) {
    try (var scope = Scope.withoutGradients()) {
      return Arrays.stream(session.append(next).argmax(-1).toLongs())
          .mapToInt(Math::toIntExact)
          .toArray();
    }
  }

  private static ExitReport of(
      EarlyExit model, Other other, int prompts, Config config, Totals totals, double seconds) {
    int layers = model.transformer().layers();
    double tokens = totals.tokens;
    long toExit =
        IntStream.rangeClosed(0, layers).mapToLong(layer -> layer * totals.exits[layer]).sum();
    return new ExitReport(
        Provenances.of(model, seconds, parameters(model, config)),
        layers,
        model.leastBlocks(),
        prompts,
        config.batch,
        totals.tokens,
        Grid.integer(List.of(Axis.index("layer", layers + 1)), totals.exits),
        toExit / tokens,
        (double) totals.blocks / totals.read,
        totals.routes / tokens,
        totals.heads / tokens,
        new Times(Mean.of(totals.earlyPrompt), Mean.of(totals.earlyToken)),
        other.name,
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
            Integer.toString(config.tokens),
            "batch",
            Integer.toString(config.batch)));
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
            "Over the same tokens, %s times as fast as the %s (%s prompt included). Skipping"
                + " blocks alone allows at most %d / %d = %.2f.",
            number(ratio), other, number(wholeRatio), layers, leastBlocks, bound());
    String same =
        format(
            "%.1f %% of %d tokens are what the %s would say at the same place.%s",
            100 * agreement,
            tokens,
            other,
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
        "What does a token cost, and what when every block is run? Blocks in all are those of"
            + " prompts and of tokens that were made up for, too.",
        List.of("", "leaving early", other, "times less"),
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
