package dev.fathom.cli;

import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.reasoning.ReasoningResult;
import dev.fathom.evaluate.reasoning.ReasoningTask;
import dev.fathom.evaluate.reasoning.RunComparison;
import dev.fathom.evaluate.reasoning.TestSet;
import dev.fathom.model.LanguageModel;
import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.view.Report;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// Measures a model on tests. Each kind of test has options of its own ([ReasoningOptions]) and
/// makes one [Result].
@Command(
    name = "evaluate",
    description = "Measures a model on tests: how many questions does it get right?",
    footer = {
      "",
      "Arithmetic: addsub, aqua, gsm8k, mawps, multiarith, singleeq, svamp.",
      "Commonsense: arc-e, arc-c, boolq, obqa. Fathom has none of the data: --data",
      "is the folder dataset/ of LLM-Adapters.",
      "",
      "With --out, each item is kept as it is answered; a killed run goes on when",
      "the command is given again, also with more tasks or a greater --limit.",
      "",
      "Examples:",
      "  fathom evaluate -m DIR --task gsm8k,arc-e --data dataset --out run",
      "  fathom evaluate -m m.gguf --task arc-e --data dataset --limit 100 --seed 1",
      "  fathom evaluate -m DIR --task arc-c,obqa --data dataset --ranked",
      "  fathom evaluate -m DIR --edit lora.safetensors --mod mod.safetensors \\",
      "      --task arc-e --data dataset --out run-after",
      "  fathom evaluate --compare run-before run-after",
    })
final class EvaluateCommand implements Callable<Integer> {
  /// What goes with `--compare`; `--no-color` and `--stacktrace` go with everything.
  private static final Set<String> OF_COMPARE =
      Set.of("--compare", "--json", "--quiet", "--html", "--no-color", "--stacktrace");

  private final Console console;

  @Spec private CommandSpec spec = CommandSpec.create();

  @Mixin private final ModelOptions modelOptions = new ModelOptions();

  @Option(
      names = "--task",
      split = ",",
      paramLabel = "NAME",
      description = "What to measure; several with commas.")
  private List<String> names = List.of();

  @Mixin private final ReasoningOptions reasoning = new ReasoningOptions();
  @Mixin private final MixtureOptions mixtureOptions = new MixtureOptions();

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
    if (!compared.isEmpty()) {
      compare();
      return Main.DONE;
    }
    if (names.isEmpty()) {
      throw new IllegalArgumentException(
          "Say with --task what to measure, such as --task arc-e,gsm8k.");
    }
    List<ReasoningTask> tasks =
        new LinkedHashSet<>(names).stream().map(ReasoningTask::named).toList();
    reasoning.check(tasks);
    mixtureOptions.check();
    List<TestSet> tests = reasoning.tests(tasks); // fails sooner than a model loads
    try (var model = LoadedModel.open(console, modelOptions);
        var tuned = mixtureOptions.open(model.transformer())) {
      model.tokenizer();
      measure(model, tuned.speaker(), tests);
    }
    return Main.DONE;
  }

  private void measure(LoadedModel model, LanguageModel speaker, List<TestSet> tests) {
    ReasoningResult result = answered(model, speaker, tests);
    String title =
        tests.stream().map(test -> test.task().title()).collect(Collectors.joining(", "));
    Report page = page(title, "Accuracy", result);
    if (out != null) {
      AtomicFile.writeText(out.resolve("result.json"), Json.render(result));
      AtomicFile.writeText(out.resolve("report.html"), Html.render(page));
    }
    show(result, page);
  }

  private ReasoningResult answered(
      LoadedModel model, LanguageModel speaker, List<TestSet> tests) {
    int total = tests.stream().mapToInt(test -> test.items().size()).sum();
    try (var progress = json.progress(console, "answering", total)) {
      if (out == null) {
        return reasoning.run(model, speaker, tests, Optional.empty(), progress::advance);
      }
      try (var items = ItemDirectory.open(out, reasoning.settings(speaker))) {
        return reasoning.run(model, speaker, tests, Optional.of(items), progress::advance);
      }
    }
  }

  private void compare() {
    for (var option : spec.commandLine().getParseResult().matchedOptions()) {
      if (!OF_COMPARE.contains(option.longestName())) {
        throw new IllegalArgumentException(
            "--compare reads two runs and asks no model: leave out %s."
                .formatted(option.longestName()));
      }
    }
    if (compared.size() != 2) {
      throw new IllegalArgumentException(
          "--compare takes two runs, found %d.".formatted(compared.size()));
    }
    var result = RunComparison.of(compared.getFirst(), compared.getLast());
    show(result, page("Two runs", "Difference", result));
  }

  private static Report page(String title, String heading, Result result) {
    return ResultOutput.page(
        title,
        heading,
        "Shares of items that were answered rightly, with 95 % intervals. Compare two runs item by"
            + " item (--compare) before calling one better.",
        result);
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
