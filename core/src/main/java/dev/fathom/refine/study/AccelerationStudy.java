package dev.fathom.refine.study;

import dev.fathom.FathomException;
import dev.fathom.Sha256;
import dev.fathom.Version;
import dev.fathom.data.Prompt;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.model.Transformer;
import dev.fathom.refine.ConfidenceExit;
import dev.fathom.refine.EarlyExit;
import dev.fathom.refine.Exit;
import dev.fathom.refine.ExitReport;
import dev.fathom.refine.MixtureModel;
import dev.fathom.refine.Tuned;
import dev.fathom.tensor.Threads;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// How much faster does a tuned model become where only K of its mixture's layers count for a
/// token, and does it still say the same? (Thesis, Table 5.3.)
///
/// Each way to leave early continues the same prompts, every text for the same number of tokens,
/// and is timed beside the dense mixture (every block, all k layers) on the very tokens it said;
/// the dense mixture itself beside the tuned model's last layer alone. Leaving at the first
/// confident layer is the way that needs no training ([ConfidenceExit]); it may leave from the
/// layer that the mixture's first route speaks for, so that both can skip as many blocks.
///
/// Of n blocks at most k − 1 are skipped, so that nothing becomes more than n / (n − k + 1) times
/// as fast: the thesis' 1.1 to 1.6 times for k = 3 cannot come from skipped blocks.
///
/// It misleads on a machine that does other things: look at the intervals, and at the blocks, which
/// do not depend on that.
///
/// What is measured stays in a directory, one item for each way ([ItemDirectory]), so that a killed
/// study goes on. Each item has its own measurement of what it is compared with.
///
/// @param subjects what was measured, by the name of the prompts
public record AccelerationStudy(
    Provenance provenance, SequencedMap<String, List<Measured>> subjects) implements Result {
  /// The folder of a subject's items, beside its trainings.
  static final String FOLDER = "acceleration";

  private static final String MODEL = "model_name";
  private static final String WEIGHTS = "model";
  private static final String BASE = "base";

  /// @param tokens that every text goes on for
  /// @param batch texts read together besides one alone; 1 for none
  /// @param threshold of the best token's probability, above which a confident layer is left at
  public record Config(int tokens, int batch, double threshold) {
    public Config {
      new ExitReport.Config(tokens, Set.of(), batch); // refuse early
      if (!(threshold >= 0)) {
        throw new IllegalArgumentException(
            "the threshold is a probability, found %s".formatted(threshold));
      }
    }
  }

  /// One way to speak, measured.
  ///
  /// @param way what speaks: `dense`, `top-K`, or `confidence`
  /// @param topK layers that count for a token; 0 for a confident layer, which speaks alone
  /// @param exit how tokens leave: `none`, `exact`, `propagate`
  /// @param batch texts that were read together
  /// @param layers blocks of the model
  /// @param leastBlocks that every token needs
  /// @param tokens that were generated
  /// @param settled blocks before a token was settled
  /// @param blocks run for a token, whether of prompt or text, those that were made up for included
  /// @param heads computed for a token
  /// @param milliseconds a token, after the prompt
  /// @param other the same of what it is compared with: the dense mixture, or for that itself the
  ///   last layer alone
  /// @param ratio how many times as fast it is
  /// @param ratioLow lower end of its 95 % interval, NaN for fewer than four readings
  /// @param ratioHigh upper end
  /// @param agreement share of tokens that the other would say, too
  public record Measured(
      String way,
      int topK,
      String exit,
      int batch,
      int layers,
      int leastBlocks,
      long tokens,
      double settled,
      double blocks,
      double heads,
      double milliseconds,
      double other,
      double ratio,
      double ratioLow,
      double ratioHigh,
      double agreement) {
    private static Measured of(Way way, ExitReport report) {
      boolean few = Math.ceilDiv(report.prompts(), way.batch) < 4;
      return new Measured(
          way.name,
          way.speaker instanceof MixtureModel mixture ? mixture.mixture().topK() : 0,
          text(way.speaker.exit()),
          way.batch,
          report.layers(),
          report.leastBlocks(),
          report.tokens(),
          report.blocksToExit(),
          report.blocksRun(),
          report.heads(),
          1000 * report.early().token().mean(),
          1000 * report.full().token().mean(),
          report.ratio().mean(),
          few ? Double.NaN : report.ratio().low(),
          few ? Double.NaN : report.ratio().high(),
          report.agreement());
    }

    private static Measured read(JsonNode item) {
      return new Measured(
          item.path("way").asString(""),
          item.path("top_k").asInt(),
          item.path("exit").asString(""),
          item.path("batch").asInt(),
          item.path("layers").asInt(),
          item.path("least_blocks").asInt(),
          item.path("tokens").asLong(),
          item.path("settled").asDouble(),
          item.path("blocks").asDouble(),
          item.path("heads").asDouble(),
          item.path("milliseconds").asDouble(),
          item.path("other").asDouble(),
          item.path("ratio").asDouble(),
          item.path("ratio_low").asDouble(Double.NaN),
          item.path("ratio_high").asDouble(Double.NaN),
          item.path("agreement").asDouble());
    }

    private void write(ObjectNode item) {
      item.put("way", way)
          .put("top_k", topK)
          .put("exit", exit)
          .put("batch", batch)
          .put("layers", layers)
          .put("least_blocks", leastBlocks)
          .put("tokens", tokens)
          .put("settled", settled)
          .put("blocks", blocks)
          .put("heads", heads)
          .put("milliseconds", milliseconds)
          .put("other", other)
          .put("ratio", ratio)
          .put("agreement", agreement);
      if (!Double.isNaN(ratioLow)) {
        item.put("ratio_low", ratioLow).put("ratio_high", ratioHigh);
      }
    }

    boolean dense() {
      return way.equals(DENSE);
    }

    /// How many times as fast skipping blocks alone can make it.
    public double bound() {
      return (double) layers / leastBlocks;
    }

    /// Way and exit, for tables.
    String title() {
      return dense() ? way : way + " " + exit;
    }
  }

  private static final String DENSE = "dense";

  private static String text(Exit exit) {
    return exit.name().toLowerCase(Locale.ROOT);
  }

  // ---------------------------------------------------------------- measuring

  /// A way to speak.
  private record Way(String name, EarlyExit speaker, int batch) {
    String key() {
      return "%s, %s, batch %d".formatted(name, text(speaker.exit()), batch);
    }
  }

  private static List<Way> ways(Tuned tuned, MixtureModel dense, Config config) {
    var rule =
        new ConfidenceExit.Rule(
            ConfidenceExit.Measure.MAX_PROBABILITY, config.threshold, dense.leastBlocks());
    var ways = new ArrayList<Way>();
    for (int batch : config.batch == 1 ? List.of(1) : List.of(1, config.batch)) {
      ways.add(new Way(DENSE, dense, batch));
      for (Exit exit : List.of(Exit.EXACT, Exit.PROPAGATE)) {
        for (int topK = 1; topK < dense.mixture().late(); topK++) {
          ways.add(new Way("top-" + topK, dense.withTopK(topK).with(exit), batch));
        }
        var confident = ConfidenceExit.of(tuned.transformer(), rule).with(exit);
        ways.add(new Way("confidence", confident, batch));
      }
    }
    return ways;
  }

  /// Measures what is not measured yet.
  ///
  /// @param base the card of the model that was tuned
  /// @param tuned with a mixture; all of its layers count in the dense one
  /// @param subjects prompts by name
  /// @param directory of the studies
  /// @param listener is told what is being measured
  /// @throws IllegalArgumentException if there is no mixture of layers that could be left out, or a
  ///   text would not fit the context
  /// @throws FathomException if the directory holds what was measured with other settings
  public static AccelerationStudy run(
      Transformer.Card base,
      Tuned tuned,
      Tokenizer tokenizer,
      SequencedMap<String, List<Prompt>> subjects,
      Config config,
      Path directory,
      Consumer<String> listener) {
    MixtureModel dense = dense(tuned);
    var found = new LinkedHashMap<String, List<Measured>>();
    Provenance provenance = null;
    for (var subject : subjects.entrySet()) {
      List<Prompt> prompts = subject.getValue();
      prompts.forEach(prompt -> prompt.requireFits(dense.card().context(), config.tokens));
      SequencedMap<String, String> settings = settings(base, dense, prompts, config);
      Path folder = directory.resolve(subject.getKey()).resolve(FOLDER);
      try (var items = ItemDirectory.open(folder, settings)) {
        for (Way way : ways(tuned, dense, config)) {
          if (!items.has(way.key())) {
            listener.accept("%s: %s".formatted(subject.getKey(), way.key()));
            items.append(way.key(), measured(way, tuned, dense, tokenizer, prompts, config)::write);
          }
        }
      }
      found.put(subject.getKey(), read(folder));
      provenance = provenance(settings);
    }
    if (provenance == null) {
      throw new IllegalArgumentException("there are no prompts to be continued");
    }
    return new AccelerationStudy(provenance, found);
  }

  private static MixtureModel dense(Tuned tuned) {
    MixtureModel mixture =
        tuned
            .mixture()
            .orElseThrow(() ->
                new IllegalArgumentException(
                    "%s has no mixture of late layers: there is nothing to leave out"
                        .formatted(tuned.transformer().card().name())));
    int late = mixture.mixture().late();
    if (late == 1 || mixture.mixture().uniform()) {
      throw new IllegalArgumentException(
          "none of the %d mixed layers of %s can be left out: it takes at least 2 and a router"
              .formatted(late, mixture.card().name()));
    }
    return mixture.withTopK(late).with(Exit.NONE);
  }

  private static Measured measured(
      Way way,
      Tuned tuned,
      MixtureModel dense,
      Tokenizer tokenizer,
      List<Prompt> prompts,
      Config config) {
    var asked = new ExitReport.Config(config.tokens, Set.of(), way.batch);
    ExitReport report =
        way.speaker == dense
            ? ExitReport.run(
                dense, tuned.transformer(), "last layer", tokenizer, prompts, asked, _ -> {})
            : ExitReport.run(
                way.speaker, dense, "dense mixture", tokenizer, prompts, asked, _ -> {});
    return Measured.of(way, report);
  }

  private static SequencedMap<String, String> settings(
      Transformer.Card base, MixtureModel dense, List<Prompt> prompts, Config config) {
    var settings = new LinkedHashMap<String, String>();
    settings.put("method", "acceleration");
    settings.put(MODEL, dense.card().name());
    settings.put(WEIGHTS, dense.card().sha256().get());
    settings.put(BASE, base.sha256().get());
    settings.put("dtype", dense.card().dtype().name().toLowerCase(Locale.ROOT));
    settings.put("late", Integer.toString(dense.mixture().late()));
    settings.put("prompts", Integer.toString(prompts.size()));
    settings.put("prompts_sha256", digest(prompts));
    settings.put("tokens", Integer.toString(config.tokens));
    settings.put("batch", Integer.toString(config.batch));
    settings.put("threshold", Double.toString(config.threshold));
    settings.put("threads", Integer.toString(Threads.get()));
    return settings;
  }

  private static String digest(List<Prompt> prompts) {
    MessageDigest digest = Sha256.begin();
    for (Prompt prompt : prompts) {
      int[] ids = prompt.ids();
      ByteBuffer bytes = ByteBuffer.allocate(Integer.BYTES * (ids.length + 1)).putInt(ids.length);
      bytes.asIntBuffer().put(ids);
      digest.update(bytes.rewind());
    }
    return Sha256.hex(digest);
  }

  // ---------------------------------------------------------------- reading

  /// What was measured of a model's refinements, if anything was.
  ///
  /// @param base the model that was tuned
  /// @throws FathomException if it was another one
  static Optional<AccelerationStudy> read(
      Path directory, List<String> subjects, Transformer.Card base) {
    var found = new LinkedHashMap<String, List<Measured>>();
    SequencedMap<String, String> settings = new LinkedHashMap<>();
    for (String subject : subjects) {
      Path folder = directory.resolve(subject).resolve(FOLDER);
      if (Files.isDirectory(folder)) {
        settings = ItemDirectory.settings(folder);
        if (!settings.getOrDefault(BASE, "").equals(base.sha256().get())) {
          throw new FathomException(
              "%s: is about a refinement of another model than %s; name that model, or other studies"
                  .formatted(folder, base.name()));
        }
        List<Measured> measured = read(folder);
        if (!measured.isEmpty()) {
          found.put(subject, measured);
        }
      }
    }
    return found.isEmpty()
        ? Optional.empty()
        : Optional.of(new AccelerationStudy(provenance(settings), found));
  }

  private static List<Measured> read(Path folder) {
    var found = new ArrayList<Measured>();
    ItemDirectory.forEach(folder, item -> found.add(Measured.read(item)));
    return found;
  }

  private static Provenance provenance(SequencedMap<String, String> settings) {
    var parameters = new LinkedHashMap<>(settings);
    Stream.of("method", MODEL, WEIGHTS, "dtype").forEach(parameters::remove);
    return new Provenance(
        settings.getOrDefault(MODEL, ""),
        settings.getOrDefault(WEIGHTS, ""),
        Version.current(),
        List.of(),
        List.of(),
        parameters,
        OptionalLong.empty(),
        settings.getOrDefault("dtype", ""),
        0,
        0);
  }

  // ---------------------------------------------------------------- showing

  @Override
  public String method() {
    return "refine-acceleration";
  }

  private List<Measured> all() {
    return subjects.values().stream().flatMap(List::stream).toList();
  }

  @Override
  public List<View> views() {
    var views = new ArrayList<View>();
    views.add(summary());
    views.add(ratios());
    subjects.forEach((subject, measured) ->
        measured.stream()
            .map(Measured::batch)
            .distinct()
            .forEach(batch -> views.add(table(subject, batch, measured))));
    return views;
  }

  private View summary() {
    Measured any = all().getFirst();
    int late = any.layers - any.leastBlocks + 1;
    return View.Text.of(
        "Leaving early",
        String.format(
            Locale.ROOT,
            "A mixture of k = %d layers skips at most k - 1 = %d of n = %d blocks: n / (n - k + 1) ="
                + " %.2f times as fast, and no more.",
            late,
            late - 1,
            any.layers,
            any.bound()),
        found());
  }

  /// What came out, in a sentence.
  String found() {
    var sentences = new ArrayList<String>();
    subjects.forEach((subject, measured) -> {
      List<Measured> alone = measured.stream().filter(one -> one.batch == 1).toList();
      alone.stream()
          .filter(Measured::dense)
          .forEach(dense ->
              sentences.add(
                  String.format(
                      Locale.ROOT,
                      "%s: the dense mixture takes %.2f ms a token, %.2f times as fast as the last"
                          + " layer alone, which says the same %.1f %% of the time.",
                      subject,
                      dense.milliseconds,
                      dense.ratio,
                      100 * dense.agreement)));
      alone.stream()
          .filter(one -> !one.dense())
          .max((a, b) -> Double.compare(a.ratio, b.ratio))
          .ifPresent(best ->
              sentences.add(
                  String.format(
                      Locale.ROOT,
                      "Fastest beside the dense mixture is %s: %.2f times, where %.2f is possible,"
                          + " saying the same %.1f %% of the time.",
                      best.title(),
                      best.ratio,
                      best.bound(),
                      100 * best.agreement)));
    });
    return String.join(" ", sentences);
  }

  /// As the thesis has it: a row for each subject, a column for each K.
  private View.Table ratios() {
    List<String> ways =
        all().stream().filter(one -> !one.dense()).map(Measured::title).distinct().toList();
    var columns = new ArrayList<>(List.of("times as fast"));
    columns.addAll(ways);
    var rows = new ArrayList<List<View.Cell>>();
    subjects.forEach((subject, measured) ->
        measured.stream()
            .map(Measured::batch)
            .distinct()
            .forEach(batch -> {
              var row = new ArrayList<View.Cell>();
              row.add(View.Cell.of("%s, batch %d".formatted(subject, batch)));
              for (String way : ways) {
                row.add(
                    measured.stream()
                        .filter(one -> one.batch == batch && one.title().equals(way))
                        .findFirst()
                        .map(one -> View.Cell.of(one.ratio))
                        .orElse(View.Cell.of("")));
              }
              rows.add(row);
            }));
    return new View.Table(
        "Acceleration",
        "How many times as fast as the dense mixture is a token after the prompt?",
        columns,
        rows);
  }

  private static View.Table table(String subject, int batch, List<Measured> measured) {
    var rows = new ArrayList<List<View.Cell>>();
    for (Measured one : measured) {
      if (one.batch == batch) {
        rows.add(
            List.of(
                View.Cell.of(one.title()),
                View.Cell.of(one.blocks),
                View.Cell.of(one.heads),
                View.Cell.of(one.milliseconds),
                new View.Quantity(one.ratio, one.ratioLow, one.ratioHigh),
                View.Cell.of(one.dense() ? 1 : one.bound()),
                View.Cell.of(100 * one.agreement)));
      }
    }
    return new View.Table(
        "%s, %s".formatted(subject, batch == 1 ? "one text at a time" : batch + " texts together"),
        "What does a token cost, and is it what the dense mixture would say? That itself is compared"
            + " with the last layer alone. Skipped blocks allow the limit. Texts are all of one"
            + " length.",
        List.of("", "blocks", "heads", "ms", "times as fast", "limit", "same %"),
        rows);
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    subjects.forEach((subject, measured) -> {
      var ways =
          Axis.of(
              "way",
              measured.stream()
                  .map(one -> "%s, batch %d".formatted(one.title(), one.batch))
                  .toList());
      arrays.put("ratio_" + subject, vector(ways, measured, Measured::ratio));
      arrays.put("milliseconds_" + subject, vector(ways, measured, Measured::milliseconds));
      arrays.put("blocks_" + subject, vector(ways, measured, Measured::blocks));
      arrays.put("heads_" + subject, vector(ways, measured, Measured::heads));
      arrays.put("agreement_" + subject, vector(ways, measured, Measured::agreement));
    });
    return arrays;
  }

  private static Grid vector(Axis ways, List<Measured> measured, ToDoubleFunction<Measured> value) {
    float[] values = new float[measured.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(measured.get(i));
    }
    return Grid.vector(ways, values);
  }
}
