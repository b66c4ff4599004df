package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Question;
import dev.fathom.explain.parts.ComponentLens;
import dev.fathom.explain.parts.ComponentLens.Normalization;
import dev.fathom.model.SiteAddress;
import dev.fathom.view.Result;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// The component lens of one prompt.
@Command(
    name = "parts",
    description = "What single parts of the model say by themselves (the component lens).",
    footer = {
      "",
      "Examples:",
      "  fathom lens parts \"The capital of Italy is\" --part attn_out",
      "  fathom lens parts \"The capital of Italy is\" --part head --norm frozen",
    })
final class LensPartsCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final ReadingOptions reading = new ReadingOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--part",
      paramLabel = "PART",
      description =
          "attn_out, mlp_out or resid_mid of all layers, head (every head, at the position that is"
              + " read), or sites such as head_out.10.h7,attn_out.late:4. Default: ${DEFAULT-VALUE}.")
  private String part = "attn_out";

  @Option(
      names = "--norm",
      paramLabel = "NORM",
      description =
          "The norm a part is read with: own (its direction), or frozen (the last stream's: parts"
              + " add up). Default: ${DEFAULT-VALUE}.")
  private String norm = "own";

  @Option(
      names = "--top",
      paramLabel = "K",
      description = "Best tokens to keep for each cell. Default: ${DEFAULT-VALUE}.")
  private int top = 5;

  LensPartsCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    try (var model = LoadedModel.open(console, modelOptions)) {
      Prompt prompt = reading.prompt(model, console);
      ResultOutput.show(
          console,
          output,
          prompt.text(),
          "Component lens",
          "What single parts of the model say by themselves, read through the final norm and the head.",
          parts(model, prompt));
    }
    return Main.DONE;
  }

  private Result parts(LoadedModel model, Prompt prompt) {
    var config =
        ComponentLens.Config.standard()
            .with(
                DecomposeCommand.named("--norm", norm, Normalization.values(), Normalization::text))
            .keeping(top);
    Question question = reading.question(model, prompt);
    if (part.equals("head")) {
      return ComponentLens.heads(model.transformer(), model.tokenizer(), question, config);
    }
    String sites = part.matches("[a-z_]+") ? part + ".all" : part;
    return ComponentLens.run(
        model.transformer(),
        model.tokenizer(),
        question,
        SiteAddress.slices(sites, model.transformer()),
        config);
  }
}
