package dev.fathom.cli;

import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.bias.BiasScorer;
import dev.fathom.evaluate.bias.Bootstrap;
import dev.fathom.evaluate.bias.CrowsEvaluation;
import dev.fathom.evaluate.bias.CrowsPair;
import dev.fathom.evaluate.bias.CrowsResult;
import dev.fathom.evaluate.bias.Predictions;
import dev.fathom.evaluate.bias.SentenceScorer.Context;
import dev.fathom.evaluate.bias.StartToken;
import dev.fathom.evaluate.bias.StereoSet;
import dev.fathom.evaluate.bias.StereoSetEvaluation;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.evaluate.bias.StereoSetResult;
import dev.fathom.view.Result;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// How sentences of bias tests are scored and counted.
final class BiasOptions {
  /// Names of the tasks.
  static final String STEREOSET = "stereoset";

  static final String CROWS = "crows";

  private static final String EXPLANATION =
      "Numbers of one test in one language, not the bias of a model: 50 does not say that it has"
          + " none. Compare two runs item by item (--compare) before calling one better.";

  /// How a causal model's sentences are read.
  enum Scores {
    official,
    bos
  }

  @Option(
      names = "--domain",
      split = ",",
      paramLabel = "NAME",
      description =
          "Only these kinds of bias, such as gender,race (race-color in CrowS-Pairs). Default:"
              + " all.")
  private List<String> domains = List.of();

  @Option(
      names = "--scores",
      paramLabel = "KIND",
      description =
          "official (default): only a sentence's first token sees the start token; bos: all do. Not"
              + " for masked models.")
  private @Nullable Scores scores;

  @Option(
      names = "--start-token",
      paramLabel = "TOKEN",
      description = "A vocabulary entry or id. Default: the tokenizer's BOS, else its EOS.")
  private @Nullable String startToken;

  @Option(
      names = "--keep-labels",
      description =
          "Leave a StereoSet file's labels as they are. Default: labels that are exchanged in a"
              + " whole domain are put right, and it is said.")
  private boolean keepLabels;

  @Option(
      names = "--resamples",
      paramLabel = "N",
      description =
          "How often items are drawn anew for intervals of StereoSet. Default: 1000, and 10000 to"
              + " compare runs.")
  private @Nullable Integer resamples;

  @Option(
      names = "--items",
      paramLabel = "FILE",
      description =
          "Write the score of every sentence by its id, as StereoSet's script reads it, with its"
              + " log2.")
  private @Nullable Path items;

  @Option(
      names = "--predictions",
      paramLabel = "FILE",
      description =
          "Instead of a model's: count scores of StereoSet's sentences that --items or StereoSet's"
              + " script wrote.")
  private @Nullable Path predictions;

  boolean rescores() {
    return predictions != null;
  }

  /// For the intervals of one run, or the differences of two.
  Bootstrap bootstrap(TestOptions test, Bootstrap usual) {
    return new Bootstrap(
        resamples == null ? usual.resamples() : resamples, test.seed().orElse(usual.seed()));
  }

  /// Scores that were written, counted again.
  StereoSetResult rescored(TestOptions test) {
    if (predictions == null || scores != null || startToken != null || items != null) {
      throw new IllegalArgumentException(
          "--predictions are scores already: leave out --scores, --start-token and --items.");
    }
    Bootstrap bootstrap = bootstrap(test, Bootstrap.standard());
    return StereoSetEvaluation.rescored(predictions, stereoSet(file(test)), bootstrap);
  }

  /// One of the tests.
  ///
  /// @throws IllegalArgumentException if that makes no sense
  Measurement measurement(String task, TestOptions test) {
    Bootstrap bootstrap = bootstrap(test, Bootstrap.standard());
    Path file = file(test);
    return task.equals(STEREOSET)
        ? new Stereotypes(file, stereoSet(file), bootstrap)
        : new Pairs(file, pairs(file, test));
  }

  private static Path file(TestOptions test) {
    return test.data()
        .orElseThrow(() ->
            new IllegalArgumentException(
                "The data are not bundled: say with --data FILE where they are."));
  }

  private StereoSet stereoSet(Path file) {
    StereoSet all =
        StereoSet.read(
            file, keepLabels ? StereoSet.Labels.AS_THEY_ARE : StereoSet.Labels.PUT_RIGHT);
    return domains.isEmpty() ? all : all.of(new LinkedHashSet<>(domains));
  }

  private List<CrowsPair> pairs(Path file, TestOptions test) {
    if (keepLabels || resamples != null || test.seed().isPresent()) {
      throw new IllegalArgumentException(
          "CrowS-Pairs has no labels to keep and nothing is drawn: leave out --keep-labels,"
              + " --resamples and --seed.");
    }
    List<CrowsPair> all = CrowsPair.read(file);
    return domains.isEmpty() ? all : CrowsPair.of(all, new LinkedHashSet<>(domains));
  }

  private BiasScorer scorer(LoadedModel model) {
    var transformer = model.transformer();
    if (transformer.card().causal()) {
      Context context = scores == Scores.bos ? Context.BOS : Context.OFFICIAL;
      var start = StartToken.of(model.tokenizer(), Optional.ofNullable(startToken));
      return BiasScorer.causal(transformer, model.tokenizer(), context, start);
    }
    if (scores != null || startToken != null) {
      throw new IllegalArgumentException(
          "%s fills in masked words, without a start token: leave out --scores and --start-token."
              .formatted(transformer.card().name()));
    }
    return BiasScorer.masked(transformer, model.tokenizer());
  }

  private Optional<SequencedMap<String, String>> settings(
      String method, Path file, LoadedModel model) {
    var card = model.transformer().card();
    var settings = new LinkedHashMap<String, String>();
    settings.put("method", method);
    settings.put("model", card.sha256().get());
    settings.put("dtype", card.dtype().name());
    settings.putAll(scorer(model).settings());
    settings.put("data", InputFiles.sha256(file));
    return Optional.of(settings);
  }

  private final class Stereotypes implements Measurement {
    private final Path file;
    private final StereoSet set;
    private final Bootstrap bootstrap;

    Stereotypes(Path file, StereoSet set, Bootstrap bootstrap) {
      this.file = file;
      this.set = set;
      this.bootstrap = bootstrap;
    }

    @Override
    public Page page() {
      return new Page("StereoSet", "Stereotypes", EXPLANATION);
    }

    @Override
    public String doing() {
      return "scoring";
    }

    @Override
    public long steps(LoadedModel model) {
      return set.items().size();
    }

    @Override
    public Optional<SequencedMap<String, String>> settings(LoadedModel model) {
      return BiasOptions.this.settings(STEREOSET, file, model);
    }

    @Override
    public Result run(LoadedModel model, Optional<ItemDirectory> kept, IntConsumer done) {
      StereoSetResult result =
          StereoSetEvaluation.run(model.transformer(), scorer(model), set, bootstrap, kept, done);
      List<StereoSetItem> asked = set.items();
      if (items != null) {
        AtomicFile.writeText(items, Predictions.render(asked, result.items()));
      }
      return result;
    }
  }

  private final class Pairs implements Measurement {
    private final Path file;
    private final List<CrowsPair> pairs;

    Pairs(Path file, List<CrowsPair> pairs) {
      this.file = file;
      this.pairs = pairs;
    }

    @Override
    public Page page() {
      return new Page("CrowS-Pairs", "Pairs", EXPLANATION);
    }

    @Override
    public String doing() {
      return "scoring";
    }

    @Override
    public long steps(LoadedModel model) {
      return pairs.size();
    }

    @Override
    public Optional<SequencedMap<String, String>> settings(LoadedModel model) {
      return BiasOptions.this.settings(CROWS, file, model);
    }

    @Override
    public Result run(LoadedModel model, Optional<ItemDirectory> kept, IntConsumer done) {
      CrowsResult result =
          CrowsEvaluation.run(model.transformer(), scorer(model), pairs, kept, done);
      if (items != null) {
        AtomicFile.writeText(items, Predictions.renderPairs(pairs, result.pairs()));
      }
      return result;
    }
  }
}
