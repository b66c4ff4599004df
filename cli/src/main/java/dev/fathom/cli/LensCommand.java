package dev.fathom.cli;

import dev.fathom.checkpoint.ArrayFile;
import dev.fathom.data.Prompt;
import dev.fathom.explain.LensResult;
import dev.fathom.explain.LogitLens;
import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.view.Report;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// The logit lens of one prompt.
@Command(
    name = "lens",
    description = "Shows what a model would say next after each layer (the logit lens).",
    footer = {
      "",
      "Examples:",
      "  fathom lens -m model.gguf \"When Mary and John went to the store, John gave a drink to\"",
      "  fathom lens -m DIR \"The capital of Italy is\" --target Rome --top 10 --out lens.safetensors",
    })
final class LensCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final ReadingOptions reading = new ReadingOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  LensCommand(Console console) {
    this.console = console;
  }

  @Option(
      names = "--top",
      paramLabel = "K",
      description = "Best tokens to keep for each cell. Default: ${DEFAULT-VALUE}.")
  private int top = 5;

  @Override
  public Integer call() {
    try (var model = LoadedModel.open(console, modelOptions)) {
      Prompt prompt = reading.prompt(model, console);
      LensResult lens =
          LogitLens.run(
              model.transformer(),
              model.tokenizer(),
              prompt,
              reading.lens(model, prompt).keeping(top));
      if (output.json().showsText()) {
        for (View view : lens.views()) {
          console.out().println(Terminal.render(view, TerminalStyles.of(console)));
        }
      }
      if (output.json().wantsJson()) {
        output.json().writeJson(console, Json.render(lens));
      }
      output.html().ifPresent(file -> AtomicFile.writeText(file, Html.render(page(prompt, lens))));
      output.out().ifPresent(file -> ArrayFile.write(file, lens.arrays()));
    }
    return Main.DONE;
  }

  private static Report page(Prompt prompt, LensResult lens) {
    return new Report(
        prompt.text(),
        lens.provenance().model(),
        List.of(),
        List.of(Section.of("Logit lens", "", lens)),
        lens.provenance());
  }
}
