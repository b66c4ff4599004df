package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.data.PromptFile;
import dev.fathom.explain.neurons.NeuronContributions;
import dev.fathom.explain.neurons.NeuronSigns;
import dev.fathom.explain.neurons.ValueVectors;
import dev.fathom.view.Result;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Value vectors of MLP neurons in words, and which of them speak for an answer.
@Command(
    name = "neurons",
    description = "Reads MLP neurons in words: what each promotes, which matter.",
    footer = {
      "",
      "With --layer the neurons of that layer are read, whatever the prompt. With a PROMPT those of all",
      "layers are ranked by what they write there. With --signs and a PROMPT or --prompts their signs",
      "are counted.",
      "",
      "Examples:",
      "  fathom neurons --layer 5 --neuron 17,230",
      "  fathom neurons -m DIR --layer 25 --out layer25.safetensors",
      "  fathom neurons -m DIR \"The Eiffel Tower is located in the city of\" --target Paris",
      "  fathom neurons -m DIR --signs --prompts prompts.jsonl",
    })
final class NeuronsCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final QuestionOptions questions = new QuestionOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--layer",
      paramLabel = "L",
      description = "Read the neurons of this layer, from 0; -1 is the last one.")
  private @Nullable Integer layer;

  @Option(
      names = "--neuron",
      split = ",",
      paramLabel = "N",
      description = "Only these neurons of the layer.")
  private List<Integer> neurons = List.of();

  @Option(
      names = "--top",
      paramLabel = "K",
      description = "Tokens to show for each neuron. Default: ${DEFAULT-VALUE}.")
  private int top = 10;

  @Option(
      names = "--ranked",
      paramLabel = "N",
      description = "Neurons to rank for a prompt. Default: ${DEFAULT-VALUE}.")
  private int ranked = 20;

  @Option(
      names = "--by",
      paramLabel = "ORDER",
      description =
          "What they are ranked by: target (what they add to the target's logit, less the foil's) or"
              + " size. Default: ${DEFAULT-VALUE}.")
  private String by = "target";

  @Option(
      names = "--reading",
      paramLabel = "HOW",
      description =
          "How value vectors meet the unembedding: raw, gamma (through the norms' gains) or frozen"
              + " (with the prompt's divisors, exact). Default: raw with --layer, frozen with a"
              + " prompt.")
  private @Nullable String reading;

  @Option(names = "--signs", description = "Count the signs of the neurons' activations instead.")
  private boolean signs;

  NeuronsCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    requireOneQuestion();
    try (var model = LoadedModel.open(console, modelOptions)) {
      if (layer != null) {
        int at = layer < 0 ? model.transformer().layers() + layer : layer;
        show(
            "Neurons of layer " + at,
            "The tokens whose logits each neuron raises and lowers most where its activation is"
                + " positive.",
            ValueVectors.read(
                model.transformer(),
                model.tokenizer(),
                at,
                neurons.stream().mapToInt(Integer::intValue).toArray(),
                top,
                reading(ValueVectors.Reading.RAW)));
      } else if (signs) {
        show(
            "Signs of the neurons",
            "Whether neurons write along their value vector or against it.",
            signs(model));
      } else {
        Prompt prompt = questions.prompt(model, console);
        show(
            prompt.text(),
            "The neurons of all layers by what they write where the answer is read.",
            NeuronContributions.run(
                model.transformer(),
                model.tokenizer(),
                questions.question(model, prompt),
                new NeuronContributions.Config(
                    NeuronContributions.Order.named(by),
                    reading(ValueVectors.Reading.FROZEN),
                    ranked,
                    top)));
      }
    }
    return Main.DONE;
  }

  private void requireOneQuestion() {
    boolean prompted = questions.reading().promptOptions().given();
    if (layer != null && (prompted || signs)) {
      throw new IllegalArgumentException(
          "--layer reads neurons whatever the prompt: leave out the prompt and --signs, or --layer.");
    }
    if (layer == null && !neurons.isEmpty()) {
      throw new IllegalArgumentException("--neuron needs --layer: of which layer?");
    }
    if (layer == null && !prompted) {
      throw new IllegalArgumentException(
          "Give a PROMPT, or --layer for what the neurons of a layer write in general.");
    }
    if (top < 1 || ranked < 1) {
      throw new IllegalArgumentException("--top and --ranked must be at least 1.");
    }
  }

  private ValueVectors.Reading reading(ValueVectors.Reading usual) {
    return reading == null ? usual : ValueVectors.Reading.named(reading);
  }

  private Result signs(LoadedModel model) {
    PromptOptions options = questions.reading().promptOptions();
    var texts = new ArrayList<Prompt>();
    switch (options.source(console)) {
      case PromptOptions.Source.Text(String text) -> texts.add(model.prompt(text, options));
      case PromptOptions.Source.Lines(var file) ->
          PromptFile.forEach(file, line -> texts.add(model.prompt(line.prompt(), options)));
    }
    return NeuronSigns.run(
        model.transformer(),
        texts.stream().map(Prompt::ids).toList(),
        texts.getFirst().startToken());
  }

  private void show(String title, String explanation, Result result) {
    ResultOutput.show(console, output, title, "Neurons", explanation, result);
  }
}
