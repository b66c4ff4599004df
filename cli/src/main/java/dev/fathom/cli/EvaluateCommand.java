package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.bias.Bootstrap;
import dev.fathom.evaluate.bias.CrowsComparison;
import dev.fathom.evaluate.bias.StereoSetComparison;
import dev.fathom.evaluate.reasoning.ReasoningTask;
import dev.fathom.evaluate.reasoning.RunComparison;
import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.view.Report;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// Measures a model on tests. Each kind of test has options of its own ([ReasoningOptions],
/// [BiasOptions], [PerplexityOptions]), which make a [Measurement] of them.
@Command(
    name = "evaluate",
    description = "Measures a model: right answers, bias, perplexity of a text.",
    footer = {
      "",
      "Reasoning, several at once:",
      "  addsub, aqua, gsm8k, mawps, multiarith, singleeq, svamp (arithmetic),",
      "  arc-e, arc-c, boolq, obqa (commonsense); --data is the folder dataset/ of",
      "  LLM-Adapters.",
      "Bias, one at once: stereoset (a JSON file), crows (CrowS-Pairs, a CSV file).",
      "perplexity: of a text file.",
      "Fathom has none of the data.",
      "",
      "With --out, each item is kept as it is answered; a killed run goes on when",
      "the command is given again, also with more tasks or a greater --limit.",
      "",
      "Examples:",
      "  fathom evaluate -m DIR --task gsm8k,arc-e --data dataset --out run",
      "  fathom evaluate -m m.gguf --task arc-e --data dataset --limit 100 --seed 1",
      "  fathom evaluate -m DIR --task arc-c,obqa --data dataset --ranked",
      "  fathom evaluate -m DIR --task stereoset --data dev.json --domain gender",
      "  fathom evaluate -m DIR --edit e.safetensors --task crows --data pairs.csv",
      "  fathom evaluate -m DIR --task perplexity --data text.txt --json -",
      "  fathom evaluate -m DIR --edit lora.safetensors --mod mod.safetensors \\",
      "    --task arc-e --data dataset --out run-after",
      "  fathom evaluate --compare run-before run-after",
    })
final class EvaluateCommand implements Callable<Integer> {
  /// What goes with `--compare`; `--no-color` and `--stacktrace` go with everything.
  private static final Set<String> OF_COMPARE =
      Set.of("--compare", "--json", "--quiet", "--html", "--no-color", "--stacktrace");

  /// What goes with `--compare` besides, where something is drawn.
  private static final Set<String> OF_RESAMPLES = Set.of("--seed", "--resamples");

  /// The mixins that belong to one kind of test.
  private static final List<String> KINDS = List.of("reasoning", "bias", "perplexity");

  private static final Set<String> ALONE =
      Set.of(BiasOptions.STEREOSET, BiasOptions.CROWS, PerplexityOptions.PERPLEXITY);

  private final Console console;

  @Spec private CommandSpec spec = CommandSpec.create();

  @Mixin private final ModelOptions modelOptions = new ModelOptions();

  @Option(
      names = "--task",
      split = ",",
      paramLabel = "NAME",
      description = "What to measure; several with commas.")
  private List<String> names = List.of();

  @Mixin private final TestOptions test = new TestOptions();

  @Mixin(name = "reasoning")
  private final ReasoningOptions reasoning = new ReasoningOptions();

  @Mixin(name = "bias")
  private final BiasOptions bias = new BiasOptions();

  @Mixin(name = "perplexity")
  private final PerplexityOptions perplexity = new PerplexityOptions();

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description =
          "Where items.jsonl (a line an item), result.json and report.html go; --compare reads two"
              + " of these.")
  private @Nullable Path out;

  @Option(
      names = "--compare",
      arity = "2",
      paramLabel = "RUN",
      description = "Instead: compare two runs that --out kept, item by item.")
  private List<Path> compared = List.of();

  @Mixin private final JsonOptions json = new JsonOptions();

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description = "Write a report for the browser: one file that works offline.")
  private @Nullable Path html;

  EvaluateCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (html != null) {
      AtomicFile.requirePlace(html); // fails sooner than anything is measured
    }
    if (!compared.isEmpty()) {
      compare();
    } else if (bias.rescores()) {
      rescore();
    } else {
      measure(measurement()); // checked and read: fails sooner than a model loads
    }
    return Main.DONE;
  }

  private Measurement measurement() {
    if (names.isEmpty()) {
      throw new IllegalArgumentException(
          "Say with --task what to measure, such as --task arc-e,gsm8k or --task stereoset.");
    }
    var wanted = new LinkedHashSet<>(names);
    Optional<String> alone = wanted.stream().filter(ALONE::contains).findFirst();
    if (alone.isEmpty()) {
      refuseOthers("reasoning");
      return reasoning.measurement(wanted.stream().map(EvaluateCommand::task).toList(), test);
    }
    if (wanted.size() > 1) {
      throw new IllegalArgumentException(
          "--task %s is measured by itself: give one command for each of %s."
              .formatted(alone.get(), String.join(", ", wanted)));
    }
    if (alone.get().equals(PerplexityOptions.PERPLEXITY)) {
      refuseOthers("perplexity");
      return perplexity.measurement(test);
    }
    refuseOthers("bias");
    return bias.measurement(alone.get(), test);
  }

  private static ReasoningTask task(String name) {
    return ReasoningTask.ALL.stream()
        .filter(task -> task.name().equals(name))
        .findFirst()
        .orElseThrow(() ->
            new IllegalArgumentException(
                "There is no task %s: choose from %s, stereoset, crows, perplexity."
                    .formatted(
                        name,
                        ReasoningTask.ALL.stream()
                            .map(ReasoningTask::name)
                            .collect(Collectors.joining(", ")))));
  }

  /// Refuses options of the other kinds of tests.
  private void refuseOthers(String kind) {
    for (String other : KINDS) {
      if (!other.equals(kind)) {
        for (OptionSpec option : Objects.requireNonNull(spec.mixins().get(other)).options()) {
          if (spec.commandLine().getParseResult().hasMatchedOption(option)) {
            throw new IllegalArgumentException(
                "%s is of another kind of test: --task %s has no use for it."
                    .formatted(option.longestName(), String.join(",", names)));
          }
        }
      }
    }
  }

  private void measure(Measurement wanted) {
    try (var model = LoadedModel.open(console, modelOptions)) {
      model.tokenizer();
      Result result = measured(model, wanted);
      Report page = page(wanted.page(), result);
      if (out != null) {
        keep(out, result, page);
      }
      show(result, page);
    }
  }

  private Result measured(LoadedModel model, Measurement wanted) {
    try (var progress = json.progress(console, wanted.doing(), wanted.steps(model))) {
      Optional<SequencedMap<String, String>> settings =
          out == null ? Optional.empty() : wanted.settings(model);
      if (out == null || settings.isEmpty()) {
        return wanted.run(model, Optional.empty(), progress::advance);
      }
      try (var items = ItemDirectory.open(out, settings.get())) {
        return wanted.run(model, Optional.of(items), progress::advance);
      }
    }
  }

  private static void keep(Path directory, Result result, Report page) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new FathomException("%s: cannot be made (%s)".formatted(directory, e.getMessage()), e);
    }
    AtomicFile.writeText(directory.resolve("result.json"), Json.render(result));
    AtomicFile.writeText(directory.resolve("report.html"), Html.render(page));
  }

  private void rescore() {
    if (!names.equals(List.of(BiasOptions.STEREOSET))) {
      throw new IllegalArgumentException("--predictions are of --task stereoset.");
    }
    refuseOthers("bias");
    for (String option : List.of("--model", "--edit", "--out")) {
      if (spec.commandLine().getParseResult().hasMatchedOption(option)) {
        throw new IllegalArgumentException(
            "--predictions are counted without a model: leave out %s.".formatted(option));
      }
    }
    Result result = bias.rescored(test);
    show(
        result,
        page(
            new Measurement.Page(
                "StereoSet", "Stereotypes", "Scores that were read from a file, counted again."),
            result));
  }

  private void compare() {
    if (compared.size() != 2) {
      throw new IllegalArgumentException(
          "--compare takes two runs, found %d.".formatted(compared.size()));
    }
    Path first = compared.getFirst();
    Path second = compared.getLast();
    String method = method(first);
    boolean draws = method.equals(BiasOptions.STEREOSET);
    for (OptionSpec option : spec.commandLine().getParseResult().matchedOptions()) {
      String name = option.longestName();
      if (!OF_COMPARE.contains(name) && !(draws && OF_RESAMPLES.contains(name))) {
        throw new IllegalArgumentException(
            "--compare reads two runs and asks no model: leave out %s.".formatted(name));
      }
    }
    if (!method(second).equals(method)) {
      throw new IllegalArgumentException(
          "%s is a run of %s and %s one of %s: these are not comparable."
              .formatted(first, method, second, method(second)));
    }
    Result result =
        switch (method) {
          case BiasOptions.STEREOSET ->
              StereoSetComparison.of(first, second, bias.bootstrap(test, Bootstrap.fine()));
          case BiasOptions.CROWS -> CrowsComparison.of(first, second);
          default -> RunComparison.of(first, second);
        };
    show(result, page(new Measurement.Page("Two runs", "Difference", Measurement.SHARES), result));
  }

  private static String method(Path run) {
    return ItemDirectory.settings(run).getOrDefault("method", "evaluate");
  }

  private static Report page(Measurement.Page page, Result result) {
    return ResultOutput.page(page.title(), page.heading(), page.explanation(), result);
  }

  private void show(Result result, Report page) {
    if (json.showsText()) {
      for (View view : result.views()) {
        console.out().println(Terminal.render(view, TerminalStyles.of(console)));
      }
    }
    if (json.wantsJson()) {
      json.writeJson(console, Json.render(result));
    }
    if (html != null) {
      AtomicFile.writeText(html, Html.render(page));
    }
  }
}
