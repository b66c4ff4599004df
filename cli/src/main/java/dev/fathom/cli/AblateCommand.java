package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Ablation;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// Ablation maps of one prompt.
@Command(
    name = "ablate",
    description =
        "Takes sublayers away, one layer and position at a time: which does the answer need?",
    footer = {
      "",
      "Examples:",
      "  fathom ablate \"The Eiffel Tower is located in the city of\"",
      "  fathom ablate -m DIR \"When Mary and John went to the store, John gave a drink to\" --target Mary --foil John",
    })
final class AblateCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final QuestionOptions questions = new QuestionOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  AblateCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    try (var model = LoadedModel.open(console, modelOptions)) {
      Prompt prompt = questions.prompt(model, console);
      var result =
          Ablation.run(model.transformer(), model.tokenizer(), questions.question(model, prompt));
      ResultOutput.show(
          console,
          output,
          prompt.text(),
          "Ablation",
          "Each cell is what the answer loses when that part of the model is taken away at that"
              + " layer and position.",
          result);
    }
    return Main.DONE;
  }
}
