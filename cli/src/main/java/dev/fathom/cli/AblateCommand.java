package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.data.PromptFile;
import dev.fathom.explain.Ablation;
import dev.fathom.explain.AblationResult;
import dev.fathom.explain.Question;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Ablation maps of one prompt.
@Command(
    name = "ablate",
    description = "Takes parts of the model away: which does the answer need?",
    footer = {
      "",
      "PART is attn, mlp, both (at each layer and position), attn_to_mlp (attention stays in the",
      "stream, but the MLP of its block does not see it) or head (at all positions).",
      "",
      "Examples:",
      "  fathom ablate \"The Eiffel Tower is located in the city of\"",
      "  fathom ablate \"When Mary and John went to the store, John gave a drink to\" -t Mary --foil John",
      "  fathom ablate \"The capital of Italy is\" --part head --instead mean --reference capitals.jsonl",
    })
final class AblateCommand implements Callable<Integer> {
  /// What stands in the place of what was taken away.
  enum Instead {
    zero,
    mean,
    globalMean,
    resample
  }

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final QuestionOptions questions = new QuestionOptions();
  @Mixin private final SweepOptions sweep = new SweepOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--part",
      paramLabel = "PART",
      split = ",",
      description = "What is taken away; several with commas. Default: all.")
  private List<String> parts = List.of();

  @Option(
      names = "--instead",
      paramLabel = "VALUE",
      description =
          "What stands in its place: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}. Means are"
              + " over the prompts of --reference, at each position or over all; resample takes the"
              + " values of --corrupt.")
  private Instead instead = Instead.zero;

  @Option(
      names = "--reference",
      paramLabel = "F.jsonl",
      description = "Prompts to take means over, one JSON object a line, with \"prompt\".")
  private @Nullable Path reference;

  @Option(
      names = "--corrupt",
      paramLabel = "TEXT",
      description = "Another prompt with as many tokens, for --instead resample.")
  private @Nullable String corrupt;

  AblateCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    Set<Ablation.Part> chosen = chosen();
    requireSource();
    try (var model = LoadedModel.open(console, modelOptions)) {
      Prompt prompt = questions.prompt(model, console);
      Question question = questions.question(model, prompt);
      int cells = cells(model, prompt, chosen);
      try (var progress = Progress.start(console, "ablating", cells)) {
        AblationResult result =
            Ablation.run(
                model.transformer(),
                model.tokenizer(),
                question,
                Ablation.Config.standard()
                    .of(chosen.toArray(Ablation.Part[]::new))
                    .with(instead(model))
                    .within(sweep.budget())
                    .telling(progress::advance));
        ResultOutput.show(
            console,
            output,
            prompt.text(),
            "Ablation",
            "Each cell is what the answer loses when a part of the model is taken away: positive"
                + " parts speak for the answer, negative ones against it.",
            result);
      }
    }
    return Main.DONE;
  }

  private static int cells(LoadedModel model, Prompt prompt, Set<Ablation.Part> parts) {
    var transformer = model.transformer();
    int heads = transformer.blocks().getFirst().attention().heads();
    return parts.stream()
        .mapToInt(
            part -> transformer.layers() * (part == Ablation.Part.HEAD ? heads : prompt.length()))
        .sum();
  }

  private Set<Ablation.Part> chosen() {
    var chosen = EnumSet.noneOf(Ablation.Part.class);
    for (String part : parts) {
      chosen.add(
          Arrays.stream(Ablation.Part.values())
              .filter(p -> p.text().equals(part))
              .findFirst()
              .orElseThrow(() ->
                  new IllegalArgumentException(
                      "--part %s: choose from %s."
                          .formatted(
                              part,
                              Arrays.stream(Ablation.Part.values())
                                  .map(Ablation.Part::text)
                                  .collect(Collectors.joining(", "))))));
    }
    return chosen.isEmpty() ? EnumSet.allOf(Ablation.Part.class) : chosen;
  }

  /// Means and other values need something to be taken from.
  private void requireSource() {
    if ((instead == Instead.mean || instead == Instead.globalMean) && reference == null) {
      throw new IllegalArgumentException(
          "--instead %s needs --reference, a file of prompts to take means over."
              .formatted(instead));
    }
    if (instead == Instead.resample && corrupt == null) {
      throw new IllegalArgumentException(
          "--instead resample needs --corrupt, the prompt whose values are taken.");
    }
    if (reference != null && instead != Instead.mean && instead != Instead.globalMean) {
      throw new IllegalArgumentException(
          "--reference is for --instead mean and globalMean, not for %s.".formatted(instead));
    }
    if (corrupt != null && instead != Instead.resample) {
      throw new IllegalArgumentException(
          "--corrupt is for --instead resample, not for %s.".formatted(instead));
    }
  }

  private Ablation.Instead instead(LoadedModel model) {
    return switch (instead) {
      case zero -> new Ablation.Instead.Zero();
      case mean, globalMean -> {
        var prompts = new ArrayList<Prompt>();
        PromptFile.forEach(
            Objects.requireNonNull(reference),
            line -> prompts.add(model.prompt(line.prompt(), questions.reading().promptOptions())));
        yield new Ablation.Instead.Mean(prompts, instead == Instead.mean);
      }
      case resample ->
          new Ablation.Instead.Resample(
              model.prompt(Objects.requireNonNull(corrupt), questions.reading().promptOptions()));
    };
  }
}
