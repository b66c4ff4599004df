package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.data.TokenSpan;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.CausalTracing;
import dev.fathom.explain.causal.PromptSet;
import dev.fathom.explain.causal.TracingResult;
import dev.fathom.explain.causal.TracingStatistics;
import dev.fathom.explain.causal.TracingStatisticsResult;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;
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
      "With --prompts and --out-dir, means over prompts with their intervals, by what tokens are: each",
      "line has a \"subject\", and lines count whose target is the model's own first choice. A killed",
      "run goes on when the command is given again.",
      "",
      "Examples:",
      "  fathom trace \"The Eiffel Tower is located in the city of\" --subject \"Eiffel Tower\"",
      "  fathom trace \"The capital of Italy is\" --subject Italy --states hidden --samples 20 --html t.html",
      "  fathom trace --prompts facts.jsonl --out-dir traced",
    })
final class TraceCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final QuestionOptions questions = new QuestionOptions();
  @Mixin private final SweepOptions sweep = new SweepOptions();
  @Mixin private final SetOptions set = new SetOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--subject",
      paramLabel = "TEXT",
      description = "The part of the prompt that is drowned in noise.")
  private @Nullable String subject;

  @Option(
      names = "--all",
      description = "With --prompts: count lines too whose target the model does not say itself.")
  private boolean all;

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
    requireSubject();
    set.requireWith(questions.reading().promptOptions());
    try (var model = LoadedModel.open(console, modelOptions)) {
      if (questions.reading().promptOptions().source(console)
          instanceof PromptOptions.Source.Lines(Path file)) {
        overPrompts(model, file, chosen);
      } else {
        ofPrompt(model, chosen);
      }
    }
    return Main.DONE;
  }

  private void requireSubject() {
    boolean prompts = questions.reading().promptOptions().givesFile();
    if (prompts == (subject != null)) {
      throw new IllegalArgumentException(
          prompts
              ? "--subject is for one prompt: each line of --prompts names its own."
              : "--subject is missing: name the part of the prompt that is drowned in noise.");
    }
    if (all && !prompts) {
      throw new IllegalArgumentException("--all is for --prompts.");
    }
  }

  private void ofPrompt(LoadedModel model, Set<CausalTracing.State> chosen) {
    Prompt prompt = questions.prompt(model, console);
    TokenSpan span = TokenSpan.of(prompt, Objects.requireNonNull(subject));
    Question question = questions.question(model, prompt, Metric.PROBABILITY);
    int cells =
        chosen.size()
            * model.transformer().layers()
            * (question.position() + 1 - span.first())
            * samples;
    TracingResult result;
    try (var progress = Progress.start(console, "tracing", Math.max(0, cells))) {
      result =
          CausalTracing.run(
              model.transformer(),
              model.tokenizer(),
              question,
              span,
              config(model, chosen).telling(progress::advance));
    }
    ResultOutput.show(
        console,
        output,
        prompt.text(),
        "Causal tracing",
        "The subject is drowned in noise; each cell is how much of the answer returns when one"
            + " state is put back as it was.",
        result);
  }

  private void overPrompts(LoadedModel model, Path file, Set<CausalTracing.State> chosen) {
    PromptSet prompts = questions.set(model, file, Metric.PROBABILITY);
    CausalTracing.Config config = config(model, chosen);
    TracingStatisticsResult result;
    try (var items = ItemDirectory.open(set.directory(), settings(model, file, config));
        var progress = output.json().progress(console, "tracing prompts", prompts.items().size())) {
      result =
          TracingStatistics.run(
              model.transformer(),
              model.tokenizer(),
              prompts,
              config,
              all ? TracingStatistics.Counted.ALL : TracingStatistics.Counted.KNOWN,
              items,
              progress::advance);
    }
    set.show(
        console,
        output,
        file,
        "Causal tracing over many prompts",
        "Subjects are drowned in noise; each cell is how much of the answer returns on average when"
            + " one state is put back as it was. Point at it for its 95 % interval.",
        result);
  }

  /// What decides the numbers of a run over prompts.
  private SequencedMap<String, String> settings(
      LoadedModel model, Path file, CausalTracing.Config config) {
    var card = model.transformer().card();
    var settings = new LinkedHashMap<String, String>();
    settings.put("method", "trace");
    settings.put("model", card.sha256().get());
    settings.put("dtype", card.dtype().name());
    settings.put("prompts", InputFiles.sha256(file));
    settings.put(
        "states",
        config.states().stream().map(CausalTracing.State::text).collect(Collectors.joining(",")));
    settings.put("samples", Integer.toString(samples));
    settings.put("noise", Double.toString(noise));
    settings.put("window", Integer.toString(config.window()));
    settings.put("seed", Long.toString(seed));
    settings.put("counted", all ? "all" : "known");
    questions.describe(settings);
    return settings;
  }

  private CausalTracing.Config config(LoadedModel model, Set<CausalTracing.State> chosen) {
    var config =
        CausalTracing.Config.standard(model.transformer())
            .of(chosen.toArray(CausalTracing.State[]::new))
            .withSamples(samples)
            .withStrength(noise)
            .withSeed(seed)
            .within(sweep.budget());
    return window == null ? config : config.withWindow(window);
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
