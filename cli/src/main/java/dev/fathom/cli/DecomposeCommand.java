package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Question;
import dev.fathom.explain.parts.TokenDecomposition;
import dev.fathom.explain.parts.TokenDecomposition.Bias;
import dev.fathom.explain.parts.TokenDecomposition.Gated;
import dev.fathom.view.Result;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// The token decomposition of one prompt.
@Command(
    name = "decompose",
    description = "Splits the stream by token: which token says what, and where?",
    footer = {
      "",
      "Examples:",
      "  fathom decompose \"The Eiffel Tower is located in the city of\"",
      "  fathom decompose -m DIR \"The capital of Italy is\" --target Rome --foil Milan --fast",
    })
final class DecomposeCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final QuestionOptions questions = new QuestionOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--gated",
      paramLabel = "WAY",
      description =
          "How a gated MLP's product is shared out: symmetric, gate-frozen or up-frozen. Default:"
              + " ${DEFAULT-VALUE}.")
  private String gated = "symmetric";

  @Option(
      names = "--bias",
      paramLabel = "WAY",
      description =
          "Where the model's biases go: separate, or to the tokens by absdot, norm or equal. Default:"
              + " ${DEFAULT-VALUE}.")
  private String bias = "separate";

  @Option(names = "--position-slot", description = "Give position embeddings a part of their own.")
  private boolean positionSlot;

  @Option(names = "--fast", description = "Only one number for each token, by one backward pass.")
  private boolean fast;

  @Option(
      names = "--top",
      paramLabel = "K",
      description = "Best tokens to keep for each cell. Default: ${DEFAULT-VALUE}.")
  private int top = 5;

  DecomposeCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    var config =
        TokenDecomposition.Config.standard()
            .with(named("--gated", gated, Gated.values(), Gated::text))
            .with(named("--bias", bias, Bias.values(), Bias::text))
            .keeping(top);
    if (positionSlot) {
      config = config.withPositionSlot();
    }
    if (fast && (positionSlot || config.bias() != Bias.SEPARATE)) {
      throw new IllegalArgumentException(
          "--fast knows only separate biases, and positions with their tokens: leave --bias and"
              + " --position-slot away.");
    }
    try (var model = LoadedModel.open(console, modelOptions)) {
      Prompt prompt = questions.prompt(model, console);
      Question question = questions.question(model, prompt);
      Result result =
          fast
              ? TokenDecomposition.scores(
                  model.transformer(), model.tokenizer(), question, config.gated())
              : TokenDecomposition.run(model.transformer(), model.tokenizer(), question, config);
      ResultOutput.show(
          console,
          output,
          prompt.text(),
          "Token decomposition",
          "The stream at the position in question, split into what comes from each token and what from"
              + " the model's biases. Attention patterns and gates count as given: what a token does"
              + " by directing attention is not attributed to it.",
          result);
    }
    return Main.DONE;
  }

  /// The constant that a user's word means.
  static <T> T named(String option, String text, T[] values, Function<T, String> name) {
    return Arrays.stream(values)
        .filter(value -> name.apply(value).equals(text))
        .findFirst()
        .orElseThrow(() ->
            new IllegalArgumentException(
                "There is no %s %s: choose one of %s."
                    .formatted(
                        option,
                        text,
                        Arrays.stream(values).map(name).collect(Collectors.joining(", ")))));
  }
}
