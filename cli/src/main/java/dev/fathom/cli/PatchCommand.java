package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Patching;
import dev.fathom.explain.PatchingResult;
import dev.fathom.explain.Question;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Activation patching between two prompts.
@Command(
    name = "patch",
    description =
        "Puts values of one prompt's run into another's: where is the information that makes the"
            + " difference?",
    footer = {
      "",
      "PART is resid_post, attn_out, mlp_out (at each layer and position), z, q, k or v (of each",
      "head, at all positions). The prompts need the same number of tokens.",
      "",
      "Examples:",
      "  fathom patch \"The Eiffel Tower is located in the city of\" \\",
      "    --corrupt \"The Brandenburg Gate is located in the city of\"",
      "  fathom patch \"When Mary and John went to the store, John gave a drink to\" -t Mary --foil John \\",
      "    --corrupt \"When Mary and John went to the store, Mary gave a drink to\" --part z,q,k,v",
    })
final class PatchCommand implements Callable<Integer> {
  /// Which run is the base.
  enum Direction {
    denoise,
    noise
  }

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final QuestionOptions questions = new QuestionOptions();
  @Mixin private final SweepOptions sweep = new SweepOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--corrupt",
      required = true,
      paramLabel = "TEXT",
      description = "The other prompt.")
  private String corrupt = "";

  @Option(
      names = "--direction",
      paramLabel = "DIRECTION",
      description =
          "denoise puts values of PROMPT into the run of --corrupt, noise the other way round."
              + " Default: ${DEFAULT-VALUE}.")
  private Direction direction = Direction.denoise;

  @Option(
      names = "--part",
      paramLabel = "PART",
      split = ",",
      description = "What is put over; several with commas. Default: resid_post,attn_out,mlp_out,z.")
  private List<String> parts = List.of();

  PatchCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    var config = config();
    try (var model = LoadedModel.open(console, modelOptions)) {
      Prompt prompt = questions.prompt(model, console);
      Question question = questions.question(model, prompt);
      Prompt other = model.prompt(corrupt, questions.reading().promptOptions());
      try (var progress = Progress.start(console, "patching", 0)) {
        PatchingResult result =
            Patching.run(
                model.transformer(),
                model.tokenizer(),
                question,
                other,
                config.within(sweep.budget()).telling(progress::advance));
        ResultOutput.show(
            console,
            output,
            prompt.text(),
            "Activation patching",
            "Each cell is how much of the difference between the two prompts one value carries: 0 is"
                + " the corrupt answer, 1 the clean one.",
            result);
      }
    }
    return Main.DONE;
  }

  private Patching.Config config() {
    var config =
        Patching.Config.standard()
            .with(
                direction == Direction.denoise
                    ? Patching.Direction.DENOISE
                    : Patching.Direction.NOISE);
    Set<Patching.Part> chosen = EnumSet.noneOf(Patching.Part.class);
    for (String part : parts) {
      chosen.add(
          Arrays.stream(Patching.Part.values())
              .filter(p -> p.text().equals(part))
              .findFirst()
              .orElseThrow(() ->
                  new IllegalArgumentException(
                      "--part %s: choose from %s."
                          .formatted(
                              part,
                              Arrays.stream(Patching.Part.values())
                                  .map(Patching.Part::text)
                                  .collect(Collectors.joining(", "))))));
    }
    return chosen.isEmpty() ? config : config.of(chosen.toArray(Patching.Part[]::new));
  }
}
