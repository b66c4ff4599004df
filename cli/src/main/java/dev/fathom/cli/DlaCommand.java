package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.explain.parts.DirectLogitAttribution;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// Direct logit attribution of one prompt.
@Command(
    name = "dla",
    description = "Adds up a logit: what does each layer, head, neuron write?",
    footer = {
      "",
      "Examples:",
      "  fathom dla \"The Eiffel Tower is located in the city of\"",
      "  fathom dla -m DIR \"When Mary and John went to the store, John gave a drink to\" --target Mary --foil John",
    })
final class DlaCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final QuestionOptions questions = new QuestionOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  DlaCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    try (var model = LoadedModel.open(console, modelOptions)) {
      Prompt prompt = questions.prompt(model, console);
      var result =
          DirectLogitAttribution.run(
              model.transformer(), model.tokenizer(), questions.question(model, prompt));
      ResultOutput.show(
          console,
          output,
          prompt.text(),
          "Direct logit attribution",
          "The logit as the sum of what each part of the model has written into the stream for it. What"
              + " a part does by way of later parts is counted as theirs.",
          result);
    }
    return Main.DONE;
  }
}
