package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.data.PromptTemplate;
import dev.fathom.evaluate.reasoning.ReasoningTask;
import dev.fathom.evaluate.reasoning.TestSet;
import dev.fathom.refine.Tuned;
import dev.fathom.refine.study.AccelerationStudy;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// How much faster a tuned model becomes where only some of its mixture's layers count.
@Command(
    name = "acceleration",
    description = "Times a mixture of which only K layers count.",
    footer = {
      "",
      "Every K below the mixture's k, exactly and with propagated keys and values, and",
      "leaving at the first confident layer, are timed beside the dense mixture on the",
      "very tokens they said: one text at a time and a batch, all texts of one length.",
      "Skipping k - 1 of n blocks makes nothing more than n / (n - k + 1) times as",
      "fast.",
      "",
      "Let the machine do nothing else. A killed study goes on when the command is",
      "given again.",
      "",
      "Examples:",
      "  fathom study acceleration -m DIR --run tuned --data DATA --out-dir studies",
      "  fathom study acceleration -m DIR --edit lora.safetensors \\",
      "      --mod mod.safetensors --tasks arc-e,arc-c --data DATA --out-dir studies",
    })
final class AccelerationCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final StudyOptions options = new StudyOptions();
  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--run",
      paramLabel = "DIR",
      description = "The folder of a run of fathom refine with a mixture.")
  private @Nullable Path run;

  @Option(
      names = "--mod",
      paramLabel = "FILE",
      description = "Instead of --run: a mixture; give the edits that it was learnt with (--edit).")
  private @Nullable Path mod;

  @Option(
      names = "--test-items",
      paramLabel = "N",
      description =
          "Test items whose prompts are continued, drawn with a fixed seed. Default:"
              + " ${DEFAULT-VALUE}.")
  private int testItems = 16;

  @Option(
      names = "--answer-tokens",
      paramLabel = "N",
      description = "Tokens that every text goes on for. Default: ${DEFAULT-VALUE}.")
  private int answerTokens = 32;

  @Option(
      names = "--batch",
      paramLabel = "N",
      description =
          "Texts that are read together, besides one at a time; 1 for none. Default:"
              + " ${DEFAULT-VALUE}.")
  private int batch = 8;

  @Option(
      names = "--threshold",
      paramLabel = "X",
      description =
          "A layer is confident if its best token's probability is above X. Default:"
              + " ${DEFAULT-VALUE}.")
  private double threshold = 0.9;

  AccelerationCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if ((run == null) == (mod == null)) {
      throw new IllegalArgumentException(
          "Say which mixture: either --run DIR of fathom refine, or --mod FILE with --edit.");
    }
    var config = new AccelerationStudy.Config(answerTokens, batch, threshold); // refuse early
    List<TestSet> tests =
        options.tasks().stream()
            .map(task -> task.read(options.data()).sample(testItems, 1))
            .toList();
    try (var model = LoadedModel.open(console, modelOptions);
        var tuned = tuned(model);
        var progress = Progress.start(console, "measuring", 0)) {
      AccelerationStudy result =
          AccelerationStudy.run(
              model.base().card(),
              tuned,
              model.tokenizer(),
              prompts(model, tests),
              config,
              options.directory(),
              progress::tell);
      ResultOutput.show(
          console,
          output,
          "Study: acceleration of " + result.provenance().model(),
          "Refinement: acceleration",
          "Times are of this machine while it did nothing else, if it did; blocks and heads do not"
              + " depend on that.",
          result);
    }
    return Main.DONE;
  }

  @SuppressWarnings("MustBeClosedChecker") // the caller closes it
  private Tuned tuned(LoadedModel model) {
    return run != null
        ? Tuned.open(model.transformer(), run)
        : Tuned.of(model.transformer(), List.of(), Optional.ofNullable(mod));
  }

  /// The prompts that leave room for a whole text.
  private SequencedMap<String, List<Prompt>> prompts(LoadedModel model, List<TestSet> tests) {
    var template = PromptTemplate.of("clean", model.tokenizer());
    var all = new LinkedHashMap<String, List<Prompt>>();
    int most = model.transformer().card().context() - answerTokens;
    for (TestSet test : tests) {
      ReasoningTask task = test.task();
      List<Prompt> fitting =
          test.items().stream()
              .map(item -> template.ids(model.tokenizer(), item.instruction()))
              .filter(ids -> ids.length <= most)
              .map(ids -> Prompt.ofIds(model.tokenizer(), ids))
              .toList();
      if (fitting.isEmpty()) {
        throw new IllegalArgumentException(
            "No prompt of %s leaves room for %d tokens: ask for fewer with --answer-tokens."
                .formatted(task.title(), answerTokens));
      }
      if (fitting.size() < test.items().size()) {
        console
            .err()
            .printf(
                Locale.ROOT,
                "note: %s: %d of %d prompts leave no room for %d tokens and are left out.%n",
                task.title(),
                test.items().size() - fitting.size(),
                test.items().size(),
                answerTokens);
      }
      all.put(task.name(), fitting);
    }
    return all;
  }
}
