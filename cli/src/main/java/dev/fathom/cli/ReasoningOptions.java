package dev.fathom.cli;

import dev.fathom.data.PromptTemplate;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.reasoning.RankedEvaluation;
import dev.fathom.evaluate.reasoning.ReasoningEvaluation;
import dev.fathom.evaluate.reasoning.ReasoningResult;
import dev.fathom.evaluate.reasoning.ReasoningTask;
import dev.fathom.evaluate.reasoning.RunComparison;
import dev.fathom.evaluate.reasoning.TestSet;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Transformer;
import dev.fathom.view.Result;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.IntConsumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// How tests of reasoning are asked and answered.
final class ReasoningOptions {
  @Mixin private final MixtureOptions mixture = new MixtureOptions();

  @Option(
      names = "--limit",
      paramLabel = "N",
      description = "Only the first N items of each test; with --seed, N drawn from all.")
  private @Nullable Integer limit;

  @Option(
      names = "--template",
      paramLabel = "NAME",
      description =
          "What stands around a question: clean (default), upstreamTrain, upstreamEval, or chat,"
              + " the model's own.")
  private String template = PromptTemplate.Wording.CLEAN.text();

  @Option(
      names = "--beams",
      paramLabel = "N",
      description =
          "Answer by beam search along N beams; published tables have 4. Default: greedily.")
  private @Nullable Integer beams;

  @Option(
      names = {"-n", "--max-tokens"},
      paramLabel = "N",
      description = "Most tokens of an answer. Default: 256 for arithmetic, 32 for commonsense.")
  private @Nullable Integer maxTokens;

  @Option(
      names = "--stop",
      paramLabel = "TEXT",
      description =
          "End an answer before this text; can be given several times. Saves time with models that"
              + " go on, and can change what is found.")
  private List<String> stopTexts = List.of();

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "Items that are computed together. Default: ${DEFAULT-VALUE}.")
  private int batch = 16;

  @Option(
      names = "--ranked",
      description =
          "Generate nothing: take the likeliest of the options an item offers. Not comparable with"
              + " generated answers.")
  private boolean ranked;

  /// These tasks, asked as these options say.
  ///
  /// @throws IllegalArgumentException if that makes no sense
  Measurement measurement(List<ReasoningTask> tasks, TestOptions test) {
    check(tasks, test.seed());
    Path folder =
        test.data()
            .orElseThrow(() ->
                new IllegalArgumentException(
                    "The tests are not bundled: say with --data DIR where AddSub/test.json and so"
                        + " on are."));
    return new Asking(tasks.stream().map(task -> some(task.read(folder), test.seed())).toList());
  }

  private final class Asking implements Measurement {
    private final List<TestSet> tests;

    Asking(List<TestSet> tests) {
      this.tests = tests;
    }

    @Override
    public Page page() {
      return new Page(
          tests.stream().map(test -> test.task().title()).collect(Collectors.joining(", ")),
          "Accuracy",
          Measurement.SHARES);
    }

    @Override
    public String doing() {
      return "answering";
    }

    @Override
    public long steps(LoadedModel model) {
      return tests.stream().mapToInt(test -> test.items().size()).sum();
    }

    @Override
    public Optional<SequencedMap<String, String>> settings(LoadedModel model) {
      return Optional.of(ReasoningOptions.this.settings(model));
    }

    @Override
    public Result run(LoadedModel model, Optional<ItemDirectory> items, IntConsumer done) {
      return ReasoningOptions.this.run(model, tests, items, done);
    }
  }

  private void check(List<ReasoningTask> tasks, OptionalLong seed) {
    if (seed.isPresent() && limit == null) {
      throw new IllegalArgumentException(
          "--seed draws items: say with --limit N how many, or leave it out to ask all.");
    }
    if (limit != null && limit < 1) {
      throw new IllegalArgumentException("--limit should be at least 1, found " + limit + ".");
    }
    if (!PromptTemplate.names().contains(template)) {
      throw new IllegalArgumentException(
          "--template %s: choose from %s."
              .formatted(template, String.join(", ", PromptTemplate.names())));
    }
    if (ranked) {
      if (beams != null || maxTokens != null || !stopTexts.isEmpty()) {
        throw new IllegalArgumentException(
            "--ranked generates nothing: leave out --beams, --max-tokens and --stop.");
      }
      tasks.forEach(RankedEvaluation::requireOptions);
    }
    mixture.check();
    config(PromptTemplate.Wording.CLEAN, Set.of());
  }

  private TestSet some(TestSet all, OptionalLong seed) {
    if (limit == null) return all;
    return seed.isPresent() ? all.sample(limit, seed.getAsLong()) : all.first(limit);
  }

  private ReasoningEvaluation.Config config(PromptTemplate asked, Set<Integer> stopIds) {
    return new ReasoningEvaluation.Config(
        asked,
        beams == null ? 1 : beams,
        maxTokens == null ? OptionalInt.empty() : OptionalInt.of(maxTokens),
        stopIds,
        stopTexts,
        batch);
  }

  private ReasoningResult run(
      LoadedModel model, List<TestSet> tests, Optional<ItemDirectory> items, IntConsumer done) {
    try (var tuned = mixture.open(model.transformer())) {
      return run(model, tuned.speaker(), tests, items, done);
    }
  }

  private ReasoningResult run(
      LoadedModel model,
      LanguageModel speaker,
      List<TestSet> tests,
      Optional<ItemDirectory> items,
      IntConsumer done) {
    PromptTemplate asked = PromptTemplate.of(template, model.tokenizer());
    if (ranked) {
      return items.isPresent()
          ? RankedEvaluation.run(speaker, model.tokenizer(), tests, asked, batch, items.get(), done)
          : RankedEvaluation.run(speaker, model.tokenizer(), tests, asked, batch, done);
    }
    var config = config(asked, StopTokens.of(model));
    return items.isPresent()
        ? ReasoningEvaluation.run(speaker, model.tokenizer(), tests, config, items.get(), done)
        : ReasoningEvaluation.run(speaker, model.tokenizer(), tests, config, done);
  }

  /// What decides the answers. Not which items are asked: a run goes on with more of them.
  private SequencedMap<String, String> settings(LoadedModel model) {
    try (var tuned = mixture.open(model.transformer())) {
      return settings(tuned.speaker().card());
    }
  }

  private SequencedMap<String, String> settings(Transformer.Card card) {
    var settings = new LinkedHashMap<String, String>();
    settings.put("method", "evaluate");
    settings.put("model", card.sha256().get());
    settings.put("dtype", card.dtype().name());
    settings.put("template", template);
    settings.put(
        RunComparison.ANSWERS,
        ranked ? "ranked" : config(PromptTemplate.Wording.CLEAN, Set.of()).produced());
    if (!ranked) {
      settings.put("most tokens", maxTokens == null ? "by task" : Integer.toString(maxTokens));
      settings.put("stop texts", String.join("\n", stopTexts));
    }
    return settings;
  }
}
