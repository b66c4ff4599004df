package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.data.TokenSpan;
import dev.fathom.explain.CausalTracing;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Causal tracing of one prompt.
@Command(
    name = "trace",
    description = "Puts states back into a noisy run: where is a fact recalled?",
    footer = {
      "",
      "STATE is hidden (the stream after one block), mlp or attn (over a window of layers). A cell",
      "is what returns of the answer (of its probability without --metric), averaged over the noise",
      "samples.",
      "",
      "Examples:",
      "  fathom trace \"The Eiffel Tower is located in the city of\" --subject \"Eiffel Tower\"",
      "  fathom trace \"The capital of Italy is\" --subject Italy --states hidden --samples 20 --html t.html",
    })
final class TraceCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final QuestionOptions questions = new QuestionOptions();
  @Mixin private final SweepOptions sweep = new SweepOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--subject",
      required = true,
      paramLabel = "TEXT",
      description = "The part of the prompt that is drowned in noise.")
  private String subject = "";

  @Option(
      names = "--states",
      split = ",",
      paramLabel = "STATE",
      description = "What is put back; several with commas. Default: hidden,mlp,attn.")
  private List<String> states = List.of();

  @Option(
      names = "--samples",
      paramLabel = "N",
      description = "Noise samples. Default: ${DEFAULT-VALUE}.")
  private int samples = 10;

  @Option(
      names = "--noise",
      paramLabel = "FACTOR",
      description =
          "Strength of the noise in standard deviations of the subject's embeddings. Default:"
              + " ${DEFAULT-VALUE}.")
  private double noise = 3;

  @Option(
      names = "--window",
      paramLabel = "LAYERS",
      description =
          "Layers in which mlp and attn are put back together. Default: 10, or a third of the"
              + " model's.")
  private @Nullable Integer window;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Of the noise. Default: ${DEFAULT-VALUE}.")
  private long seed = 1;

  TraceCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    Set<CausalTracing.State> chosen = chosen();
    try (var model = LoadedModel.open(console, modelOptions)) {
      Prompt prompt = questions.prompt(model, console);
      TokenSpan span = TokenSpan.of(prompt, subject);
      Question question = questions.question(model, prompt, Metric.PROBABILITY);
      int cells =
          chosen.size()
              * model.transformer().layers()
              * (question.position() + 1 - span.first())
              * samples;
      try (var progress = Progress.start(console, "tracing", Math.max(0, cells))) {
        var config =
            CausalTracing.Config.standard(model.transformer())
                .of(chosen.toArray(CausalTracing.State[]::new))
                .withSamples(samples)
                .withStrength(noise)
                .withSeed(seed)
                .within(sweep.budget())
                .telling(progress::advance);
        var result =
            CausalTracing.run(
                model.transformer(),
                model.tokenizer(),
                question,
                span,
                window == null ? config : config.withWindow(window));
        ResultOutput.show(
            console,
            output,
            prompt.text(),
            "Causal tracing",
            "The subject is drowned in noise; each cell is how much of the answer returns when one"
                + " state is put back as it was.",
            result);
      }
    }
    return Main.DONE;
  }

  private Set<CausalTracing.State> chosen() {
    var chosen = EnumSet.noneOf(CausalTracing.State.class);
    for (String state : states) {
      chosen.add(
          Arrays.stream(CausalTracing.State.values())
              .filter(s -> s.text().equals(state))
              .findFirst()
              .orElseThrow(() ->
                  new IllegalArgumentException(
                      "--states %s: choose from %s."
                          .formatted(
                              state,
                              Arrays.stream(CausalTracing.State.values())
                                  .map(CausalTracing.State::text)
                                  .collect(Collectors.joining(", "))))));
    }
    return chosen.isEmpty() ? EnumSet.allOf(CausalTracing.State.class) : chosen;
  }
}
