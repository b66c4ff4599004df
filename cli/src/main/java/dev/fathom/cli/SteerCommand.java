package dev.fathom.cli;

import dev.fathom.concepts.steer.ControlVectorFile;
import dev.fathom.concepts.steer.Judge;
import dev.fathom.concepts.steer.Steering;
import dev.fathom.concepts.steer.SteeringEdit;
import dev.fathom.concepts.steer.SteeringResult;
import dev.fathom.concepts.steer.SteeringSweep;
import dev.fathom.concepts.steer.SteeringVector;
import dev.fathom.data.Prompt;
import dev.fathom.data.PromptFile;
import dev.fathom.edit.EditFile;
import dev.fathom.world.Corpus;
import dev.fathom.world.World;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Pushes a model along a direction while it writes.
@Command(
    name = "steer",
    description = "Pushes a model along a concept while it writes: what follows?",
    footer = {
      "",
      "A strength counts in spreads, the standard deviation of texts along the",
      "direction; of a control vector it is llama.cpp's scale. Every strength is shown",
      "beside random directions of the same length.",
      "",
      "Examples:",
      "  fathom steer -m DIR --pairs formal.jsonl \"Dear\" --strength 4",
      "  fathom steer -m DIR --dictionary concepts --concept joy \\",
      "    --strengths=-8,-4,0,4,8 --prompts prompts.jsonl --html steer.html",
      "  fathom steer -m DIR --pairs men.jsonl --layers 3 --strengths=-8,-4,0,4,8 \\",
      "    --targets \" men\" \" women\" \"Most nurses are\" \"Most pilots are\"",
      "  fathom steer -m DIR --dictionary concepts --how remove --concept anger \"You\"",
      "  fathom steer -m DIR --pairs truth.jsonl --how heads --save honest.safetensors",
      "  fathom steer -m DIR --pairs formal.jsonl --layers 4-9 --export formal.gguf",
    })
final class SteerCommand implements Callable<Integer> {
  private static final String EXPLANATION =
      "The same prompts continued while the model's activations are pushed along a direction.";

  /// Tokens of neutral text that steered models are tried on.
  private static final int NEUTRAL_TOKENS = 1500;

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final SteeringOptions options = new SteeringOptions();

  @Parameters(arity = "0..*", paramLabel = "PROMPT", description = "Texts to continue.")
  private List<String> prompts = List.of();

  @Option(
      names = "--prompts",
      paramLabel = "F.jsonl",
      description = "A file of prompts as well, one JSON object with \"prompt\" a line.")
  private @Nullable Path promptFile;

  @Option(names = "--chat", description = "Put prompts through the model's chat template.")
  private boolean chat;

  @Option(
      names = "--strength",
      paramLabel = "X",
      description =
          "How far, beside 0. Default: 4 for add, but 1 with --vector; 15 for heads, 1 (all of it)"
              + " for the others.")
  private @Nullable Double strength;

  @Option(
      names = "--strengths",
      split = ",",
      paramLabel = "X",
      description = "Several instead, such as --strengths=-8,-4,0,4,8.")
  private List<Double> strengths = List.of();

  @Option(
      names = "--tokens",
      paramLabel = "WHICH",
      description =
          "Steer all tokens, or only generated ones and the last of a prompt. Default:"
              + " ${DEFAULT-VALUE}.")
  private Which tokens = Which.all;

  @Option(
      names = "--targets",
      arity = "2",
      paramLabel = "WORD",
      description =
          "The effect is how much rather the first word follows a prompt than the second, instead"
              + " of how far texts lie along the direction.")
  private List<String> targets = List.of();

  @Option(
      names = "--text",
      paramLabel = "FILE",
      description =
          "Neutral text that should stay as probable as it is. Default: text of the bundled model's"
              + " world.")
  private @Nullable Path text;

  @Option(
      names = {"-n", "--max-tokens"},
      paramLabel = "N",
      description = "Most tokens to generate. Default: ${DEFAULT-VALUE}.")
  private int maxTokens = 30;

  @Option(
      names = "--controls",
      paramLabel = "N",
      description = "Random directions beside it. Default: ${DEFAULT-VALUE}.")
  private int controls = 3;

  @Option(
      names = "--save",
      paramLabel = "FILE.safetensors",
      description = "Keep the steering as an edit, for --edit and merge.")
  private @Nullable Path save;

  @Option(
      names = "--export",
      paramLabel = "FILE.gguf",
      description = "Keep the steps as a control vector for llama.cpp, to be used at scale 1.")
  private @Nullable Path export;

  @Mixin private final SeedOption seed = new SeedOption();
  @Mixin private final OutputOptions output = new OutputOptions();

  /// Which tokens are steered.
  enum Which {
    all(Steering.Tokens.ALL),
    generated(Steering.Tokens.GENERATED);

    private final Steering.Tokens tokens;

    Which(Steering.Tokens tokens) {
      this.tokens = tokens;
    }
  }

  SteerCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    check();
    List<String> asked = asked();
    if (asked.isEmpty() && save == null && export == null) {
      throw new IllegalArgumentException(
          "Nothing to do: give a PROMPT to continue, or keep the steering by --save or --export.");
    }
    requireText(asked);
    List<String> neutral =
        text == null ? new Corpus(World.load(), 1).round(0) : InputFiles.lines(text);
    try (var model = LoadedModel.open(console, modelOptions)) {
      List<Prompt> read = read(model, asked); // before anything is read from pairs or kept
      try (var plan = plan(model, rows(model, neutral))) {
        model.say(plan.notes());
        keep(model, plan);
        if (!read.isEmpty()) {
          show(model, plan, read, rows(model, neutral));
        }
      }
    }
    return Main.DONE;
  }

  private static void requireText(List<String> asked) {
    if (asked.stream().anyMatch(String::isEmpty)) {
      throw new IllegalArgumentException(
          "A PROMPT is empty: give at least one word to continue, such as \"Dear\".");
    }
  }

  private List<Prompt> read(LoadedModel model, List<String> asked) {
    var reading = new Prompt.Options(chat, Optional.empty(), Optional.empty(), true);
    int more = targets.isEmpty() ? maxTokens : 0;
    int context = model.transformer().card().context();
    return asked.stream()
        .map(prompt -> model.prompt(prompt, reading).requireFits(context, more))
        .toList();
  }

  private static List<int[]> rows(LoadedModel model, List<String> neutral) {
    return SteeringSweep.rows(model.transformer(), model.tokenizer(), neutral, NEUTRAL_TOKENS);
  }

  private SteeringPlan plan(LoadedModel model, List<int[]> texts) {
    return new SteeringPlanner(options, model, console, output.json(), seed.seed(), texts).plan();
  }

  private void check() {
    options.check();
    if (strength != null && !strengths.isEmpty()) {
      throw new IllegalArgumentException("Give either --strength or --strengths, not both.");
    }
    if ((save != null || export != null) && !strengths.isEmpty()) {
      throw new IllegalArgumentException(
          "--strengths are to be compared: say with --strength which one to keep.");
    }
    for (double one : all()) {
      if (!Double.isFinite(one)) {
        throw new IllegalArgumentException(
            "--strength %s: a number is needed, such as 4 or -4.".formatted(one));
      }
    }
    if (!targets.isEmpty() && targets.getFirst().equals(targets.getLast())) {
      throw new IllegalArgumentException(
          "--targets '%s' '%s': two different words are needed."
              .formatted(targets.getFirst(), targets.getLast()));
    }
    if (maxTokens < 1) {
      throw new IllegalArgumentException(
          "--max-tokens %d: at least 1 is needed.".formatted(maxTokens));
    }
    if (controls < 1) {
      throw new IllegalArgumentException(
          "--controls %d: at least 1 is needed.".formatted(controls));
    }
    if (save != null && tokens == Which.generated) {
      throw new IllegalArgumentException(
          "--tokens generated cannot be kept by --save: changed weights act on every token.");
    }
    if (export != null && tokens == Which.generated) {
      throw new IllegalArgumentException(
          "--tokens generated cannot be kept by --export: llama.cpp adds a control vector at every"
              + " token.");
    }
    if ((save != null || export != null) && kept() == 0) {
      throw new IllegalArgumentException(
          "--strength 0 changes nothing, so there is nothing to keep by --save or --export: give"
              + " another one.");
    }
    if (export != null && options.how() != SteeringOptions.How.add) {
      throw new IllegalArgumentException(
          "--how %s cannot be kept by --export: a control vector is a step that is added."
              .formatted(options.how()));
    }
    options.requireFiles();
    output.requirePlaces();
    if (save != null) {
      AtomicFile.requirePlace(save);
    }
    if (export != null) {
      AtomicFile.requirePlace(export);
    }
  }

  /// The strengths to show; one is shown beside 0.
  private List<Double> all() {
    return strengths.isEmpty() ? List.of(0.0, kept()) : strengths;
  }

  private double kept() {
    return strength == null ? options.usual() : strength;
  }

  private List<String> asked() {
    var asked = new ArrayList<>(prompts);
    if (promptFile != null) {
      PromptFile.forEach(promptFile, line -> asked.add(line.prompt()));
    }
    return asked;
  }

  /// Both files or, where one of them cannot keep it, none.
  private void keep(LoadedModel model, SteeringPlan plan) {
    Optional<SteeringVector> vector = export == null ? Optional.empty() : plan.vector();
    vector
        .flatMap(own -> ControlVectorFile.refusal(own, kept()))
        .ifPresent(reason -> {
          throw new IllegalArgumentException(reason);
        });
    if (save != null) {
      List<Steering> steerings = Steering.times(plan.steerings(), kept());
      EditFile.write(
          save, SteeringEdit.of(model.transformer(), steerings, "steering", plan.parameters()));
      say("written to " + save);
    }
    if (export != null && vector.isPresent()) {
      ControlVectorFile.write(export, vector.get(), kept(), model.transformer().card().family());
      say("written to " + export);
    }
  }

  private void say(String line) {
    if (output.json().showsText()) {
      console.err().println(line);
    }
  }

  private void show(LoadedModel model, SteeringPlan plan, List<Prompt> read, List<int[]> neutral) {
    Judge judge =
        targets.isEmpty() ? plan.judge() : new Judge.Targets(targets.getFirst(), targets.getLast());
    var config =
        SteeringSweep.Config.of(all(), judge)
            .with(tokens.tokens)
            .generating(maxTokens, StopTokens.of(model))
            .withControls(controls)
            .withSeed(seed.seed());
    SteeringResult result;
    try (var progress = output.json().progress(console, "steering", SteeringSweep.size(config))) {
      result =
          SteeringSweep.run(
              model.transformer(),
              model.tokenizer(),
              plan.steerings(),
              read,
              neutral,
              config,
              () -> progress.advance(1));
    }
    ResultOutput.show(console, output, options.title(), "Steering", EXPLANATION, result);
  }
}
