package dev.fathom.cli;

import dev.fathom.checkpoint.ArrayFile;
import dev.fathom.data.Prompt;
import dev.fathom.edit.Edit;
import dev.fathom.edit.Edits;
import dev.fathom.explain.report.Comparison;
import dev.fathom.model.Transformer;
import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.view.Grid;
import dev.fathom.view.Report;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Two models, or one before and after an edit, on the same prompt.
@Command(
    name = "compare",
    description = "Shows what differs between two models, or after an edit.",
    footer = {
      "",
      "Examples:",
      "  fathom compare -m A -m B \"The nurse said that\" --target she --foil he",
      "  fathom compare --edit edit.safetensors \"The capital of Italy is\" --html report.html",
      "  fathom compare -m A --edit e.safetensors:0.5 \"Hello\" --sections prediction,lens",
    })
final class CompareCommand implements Callable<Integer> {
  private final Console console;

  @Option(
      names = {"-m", "--model"},
      paramLabel = "M",
      description = {
        "A model as in other commands; twice for two models, A and B.",
        "Once with --edit for a model (A) and the same with the edit (B).",
      })
  private List<String> models = new ArrayList<>();

  @Option(
      names = "--sections",
      split = ",",
      paramLabel = "NAMES",
      description =
          "Only these parts of the report, such as prediction,lens,target,exit,dla,ablation.")
  private List<String> sections = new ArrayList<>();

  @Mixin private final EditOptions edits = new EditOptions();
  @Mixin private final ComputeOptions compute = new ComputeOptions();
  @Mixin private final QuestionOptions questions = new QuestionOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  CompareCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    List<Comparison.Part> parts = parts();
    if (models.size() > 2 || (models.size() == 2) != edits.isEmpty()) {
      throw new IllegalArgumentException(
          models.size() < 2
              ? "Nothing to compare with: give --model twice, or --edit."
              : "Give --model twice, or one --model and --edit: two sides can be compared.");
    }
    List<EditOptions.Wanted> wanted = edits.read();
    String first = models.isEmpty() ? ModelLocation.DEFAULT : models.getFirst();
    try (var a = LoadedModel.open(console, first, compute)) {
      show(
          models.size() == 2
              ? withModel(a, models.getLast(), parts)
              : withEdits(a, EditOptions.of(a.transformer(), wanted), parts));
    }
    return Main.DONE;
  }

  private List<Comparison.Part> parts() {
    List<String> known = Comparison.parts().stream().map(Comparison.Part::id).toList();
    for (String name : sections) {
      if (!known.contains(name)) {
        throw new IllegalArgumentException(
            "There is no section '%s': there are %s.".formatted(name, String.join(", ", known)));
      }
    }
    return Comparison.parts().stream()
        .filter(part -> sections.isEmpty() || sections.contains(part.id()))
        .toList();
  }

  private String text() {
    return switch (questions.reading().promptOptions().source(console)) {
      case PromptOptions.Source.Text(String text) -> text;
      case PromptOptions.Source.Lines(var file) ->
          throw new IllegalArgumentException(
              "This command reads one prompt; --prompts " + file + " is for capture and generate.");
    };
  }

  private Report withEdits(LoadedModel a, List<Edit> wanted, List<Comparison.Part> parts) {
    Prompt prompt = a.prompt(text(), questions.reading().promptOptions());
    a.say(Edits.notes(a.transformer(), wanted));
    try (Transformer edited = Edits.apply(a.transformer(), wanted)) {
      return Comparison.run(
          a.transformer(), edited, a.tokenizer(), questions.question(a, prompt), parts);
    }
  }

  private Report withModel(LoadedModel a, String second, List<Comparison.Part> parts) {
    String text = text();
    Prompt prompt = a.prompt(text, questions.reading().promptOptions());
    try (var b = LoadedModel.open(console, second, compute)) {
      Comparison.requireSameTokens(
          a.transformer(),
          a.tokenizer(),
          prompt,
          b.transformer(),
          b.tokenizer(),
          b.prompt(text, questions.reading().promptOptions()));
      return Comparison.run(
          a.transformer(), b.transformer(), a.tokenizer(), questions.question(a, prompt), parts);
    }
  }

  private void show(Report report) {
    if (output.json().showsText()) {
      console.out().print(Terminal.render(report, TerminalStyles.of(console)));
    }
    if (output.json().wantsJson()) {
      output.json().writeJson(console, Json.render(report));
    }
    output.html().ifPresent(file -> AtomicFile.writeText(file, Html.render(report)));
    output.out().ifPresent(file -> ArrayFile.write(file, arrays(report)));
  }

  private static SequencedMap<String, Grid> arrays(Report report) {
    var arrays = new LinkedHashMap<String, Grid>();
    report.sections().forEach(section -> arrays.putAll(section.arrays()));
    return arrays;
  }
}
