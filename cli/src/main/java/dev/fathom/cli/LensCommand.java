package dev.fathom.cli;

import dev.fathom.checkpoint.ArrayFile;
import dev.fathom.data.Prompt;
import dev.fathom.explain.ComponentLens;
import dev.fathom.explain.ComponentLens.Normalization;
import dev.fathom.explain.ComponentLensResult;
import dev.fathom.explain.LensResult;
import dev.fathom.explain.LogitLens;
import dev.fathom.explain.Question;
import dev.fathom.model.SiteAddress;
import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.view.Report;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
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
      "  fathom lens \"The capital of Italy is\" --component head --norm frozen",
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

  @Option(
      names = "--component",
      paramLabel = "PART",
      description =
          "Read this instead of the stream: attn_out, mlp_out or resid_mid of all layers, head (every"
              + " head, at the position that is read), or sites such as head_out.10.h7,attn_out.late:4.")
  private @Nullable String component;

  @Option(
      names = "--norm",
      paramLabel = "NORM",
      description =
          "With --component, the norm it is read with: own (its direction), or frozen (the last stream's:"
              + " parts add up). Default: own.")
  private @Nullable String norm;

  @Override
  public Integer call() {
    if (norm != null && component == null) {
      throw new IllegalArgumentException(
          "--norm is the norm of a part: say --component, such as --component attn_out.");
    }
    try (var model = LoadedModel.open(console, modelOptions)) {
      Prompt prompt = reading.prompt(model, console);
      if (component != null) {
        ResultOutput.show(
            console,
            output,
            prompt.text(),
            "Component lens",
            "What single parts of the model say by themselves, read through the final norm and the head.",
            parts(model, prompt, component));
        return Main.DONE;
      }
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

  private ComponentLensResult parts(LoadedModel model, Prompt prompt, String component) {
    var config =
        ComponentLens.Config.standard()
            .with(
                DecomposeCommand.named(
                    "--norm",
                    norm == null ? "own" : norm,
                    Normalization.values(),
                    Normalization::text))
            .keeping(top);
    Question question = reading.question(model, prompt);
    if (component.equals("head")) {
      return ComponentLens.heads(model.transformer(), model.tokenizer(), question, config);
    }
    String sites = component.matches("[a-z_]+") ? component + ".all" : component;
    return ComponentLens.run(
        model.transformer(),
        model.tokenizer(),
        question,
        SiteAddress.slices(sites, model.transformer()),
        config);
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
