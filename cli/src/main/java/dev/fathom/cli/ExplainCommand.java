package dev.fathom.cli;

import dev.fathom.checkpoint.ArrayFile;
import dev.fathom.data.Prompt;
import dev.fathom.explain.Explanation;
import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.view.Grid;
import dev.fathom.view.Report;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// The whole report about one prompt.
@Command(
    name = "explain",
    description = "Explains what a model says next: lens, target by layer, early exit.",
    footer = {
      "",
      "Examples:",
      "  fathom explain -m model.gguf \"The Eiffel Tower is located in the city of\"",
      "  fathom explain -m DIR \"The capital of Italy is\" --target Rome --html report.html",
      "  fathom explain -m DIR --chat \"What is 2+2?\" --json -",
    })
final class ExplainCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final ReadingOptions reading = new ReadingOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  ExplainCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    try (var model = LoadedModel.open(console, modelOptions)) {
      Prompt prompt = reading.prompt(model, console);
      Report report =
          Explanation.run(
              model.transformer(), model.tokenizer(), prompt, reading.lens(model, prompt));
      if (output.json().showsText()) {
        console.out().print(Terminal.render(report, TerminalStyles.of(console)));
      }
      if (output.json().wantsJson()) {
        output.json().writeJson(console, Json.render(report));
      }
      output.html().ifPresent(file -> AtomicFile.writeText(file, Html.render(report)));
      output.out().ifPresent(file -> ArrayFile.write(file, arrays(report)));
    }
    return Main.DONE;
  }

  private static SequencedMap<String, Grid> arrays(Report report) {
    var arrays = new LinkedHashMap<String, Grid>();
    report.sections().forEach(section -> arrays.putAll(section.arrays()));
    return arrays;
  }
}
