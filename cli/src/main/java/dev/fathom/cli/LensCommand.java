package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.data.PromptFile;
import dev.fathom.data.TextWindows;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.explain.lens.ExitEvidence;
import dev.fathom.explain.lens.ExitEvidenceResult;
import dev.fathom.explain.lens.LensComparison;
import dev.fathom.explain.lens.LensStatistics;
import dev.fathom.explain.lens.LensStatisticsResult;
import dev.fathom.explain.lens.LogitLens;
import dev.fathom.explain.lens.Reading;
import dev.fathom.explain.lens.TunedLens;
import dev.fathom.explain.lens.TunedLensTraining;
import dev.fathom.view.Result;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// What a model would say after each layer: of a prompt, of many, or of a long text; as it is, or
/// through a tuned lens, which `train` makes.
@Command(
    name = "lens",
    description = "Shows what a model would say next after each layer.",
    footer = {
      "",
      "With --tuned, through a tuned lens beside it. With --prompts and --out-dir, means over many",
      "prompts; a run that was killed goes on when the command is given again. With --text, how",
      "early the next token is settled over a long text.",
      "",
      "Examples:",
      "  fathom lens -m model.gguf \"When Mary and John went to the store, John gave a drink to\"",
      "  fathom lens -m DIR \"The capital of Italy is\" --target Rome --top 10 --out lens.safetensors",
      "  fathom lens parts \"The capital of Italy is\" --part head --norm frozen",
      "  fathom lens train --text book.txt --save tuned.safetensors",
      "  fathom lens --tuned tuned.safetensors \"The Eiffel Tower is located in the city of\"",
      "  fathom lens --prompts facts.jsonl --out-dir facts",
      "  fathom lens --text book.txt",
    })
final class LensCommand implements Callable<Integer> {
  private static final String READING =
      "Each cell is what the model would say next at that position if it stopped after that layer:"
          + " the bottom row is the embedding, the top row the model's own prediction.";

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final ReadingOptions reading = new ReadingOptions();
  @Mixin private final TextOptions text = new TextOptions();
  @Mixin private final SetOptions set = new SetOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  LensCommand(Console console) {
    this.console = console;
  }

  /// The verb with the one below it.
  static CommandLine tree(Console console) {
    return new CommandLine(new LensCommand(console))
        .addSubcommand(new Train(console))
        .addSubcommand(new LensPartsCommand(console));
  }

  @Option(
      names = "--top",
      paramLabel = "K",
      description = "Best tokens to keep for each cell. Default: ${DEFAULT-VALUE}.")
  private int top = 5;

  @Option(
      names = "--tuned",
      paramLabel = "FILE",
      description = "A tuned lens of this model, from `fathom lens train`.")
  private @Nullable Path tuned;

  @Override
  public Integer call() {
    requireOneInput();
    try (var model = LoadedModel.open(console, modelOptions);
        var lens = lens(model)) {
      if (text.file().isPresent()) {
        overText(model, lens);
      } else if (reading.promptOptions().source(console)
          instanceof PromptOptions.Source.Lines(Path file)) {
        overPrompts(model, lens, file);
      } else {
        ofPrompt(model, lens);
      }
    }
    return Main.DONE;
  }

  private void requireOneInput() {
    if (text.file().isPresent() && reading.promptOptions().given()) {
      throw new IllegalArgumentException("Give one of PROMPT, --prompts and --text.");
    }
    if (text.file().isPresent() && reading.promptOptions().chat()) {
      throw new IllegalArgumentException("--text is read as it is: leave out --chat and --system.");
    }
    if (text.givesWindow() && text.file().isEmpty()) {
      throw new IllegalArgumentException("--window is for --text.");
    }
    set.requireWith(reading.promptOptions());
  }

  /// A tuned lens that is closed with the command, or none.
  private record Lens(Optional<TunedLens> tuned) implements AutoCloseable {
    Reading reading() {
      return tuned.isPresent() ? tuned.get() : Reading.LOGIT;
    }

    @Override
    public void close() {
      tuned.ifPresent(TunedLens::close);
    }
  }

  @SuppressWarnings("MustBeClosedChecker") // closed with what holds it
  private Lens lens(LoadedModel model) {
    return new Lens(Optional.ofNullable(tuned).map(f -> TunedLens.load(f, model.transformer())));
  }

  private void ofPrompt(LoadedModel model, Lens lens) {
    Prompt prompt = reading.prompt(model, console);
    LogitLens.Config config = reading.lens(model, prompt).keeping(top);
    Result result =
        lens.tuned.isPresent()
            ? LensComparison.run(
                model.transformer(), model.tokenizer(), prompt, config, lens.tuned.get())
            : LogitLens.run(model.transformer(), model.tokenizer(), prompt, config);
    String heading = lens.tuned.isPresent() ? "Logit lens and tuned lens" : "Logit lens";
    String reads =
        lens.tuned.isPresent()
            ? READING + " The tuned lens translates each layer's stream first, as it has learnt to."
            : READING;
    ResultOutput.show(console, output, prompt.text(), heading, reads, result);
  }

  private void overText(LoadedModel model, Lens lens) {
    TextWindows rows = text.read(model, reading.promptOptions().bos(), 0);
    ExitEvidenceResult result;
    try (var progress = output.json().progress(console, "reading", rows.tokens())) {
      result = ExitEvidence.run(model.transformer(), rows, lens.reading(), progress::advance);
    }
    ResultOutput.show(
        console,
        output,
        String.valueOf(text.file().orElseThrow().getFileName()),
        "Commit depth and early exit",
        "How early the next token is there, over a text. These are readings of the "
            + lens.reading().name()
            + ": an upper estimate of what early exit can save.",
        result);
  }

  private void overPrompts(LoadedModel model, Lens lens, Path file) {
    LensStatisticsResult result;
    try (var items = ItemDirectory.open(set.directory(), settings(model, file));
        var progress = output.json().progress(console, "reading prompts", 0)) {
      result =
          LensStatistics.run(
              model.transformer(),
              model.tokenizer(),
              each ->
                  PromptFile.forEach(file, line -> each.accept(reading.item(model, file, line))),
              lens.reading(),
              items,
              progress::advance);
    }
    set.show(
        console,
        output,
        file,
        "Lens over many prompts",
        "Means over prompts, each read at its own position; bands are 95 % intervals of the mean.",
        result);
  }

  /// What decides the numbers of a run over prompts.
  private SequencedMap<String, String> settings(LoadedModel model, Path file) {
    var card = model.transformer().card();
    var settings = new LinkedHashMap<String, String>();
    settings.put("method", "lens");
    settings.put("model", card.sha256().get());
    settings.put("dtype", card.dtype().name());
    settings.put("lens", tuned == null ? "logit" : "tuned, " + InputFiles.sha256(tuned));
    settings.put("prompts", InputFiles.sha256(file));
    reading.describe(settings);
    return settings;
  }

  /// Learns a tuned lens.
  @Command(
      name = "train",
      description = "Learns a tuned lens for a model from a text.",
      footer = {
        "",
        "One layer after another; a killed training goes on after the last layer that was done.",
        "Use text like that you will ask about, at least some 100,000 tokens for a large model.",
        "",
        "Examples:",
        "  fathom lens train --text book.txt --save tuned.safetensors",
        "  fathom lens train -m model.gguf --text book.txt --save tuned.safetensors --steps 100",
      })
  static final class Train implements Callable<Integer> {
    /// How steps are made.
    enum Optimiser {
      adam(TunedLensTraining.Method.ADAM),
      sgd(TunedLensTraining.Method.SGD);

      private final TunedLensTraining.Method method;

      Optimiser(TunedLensTraining.Method method) {
        this.method = method;
      }
    }

    private final Console console;

    @Mixin private final ModelOptions modelOptions = new ModelOptions();
    @Mixin private final TextOptions text = new TextOptions();
    @Mixin private final SeedOption seed = new SeedOption();
    @Mixin private final OutputOptions output = new OutputOptions();

    @Option(
        names = "--save",
        paramLabel = "FILE.safetensors",
        required = true,
        description = "Where the lens goes.")
    private Path save = Path.of("");

    @Option(
        names = "--run",
        paramLabel = "DIR",
        description = "Where layers are kept while others are trained. Default: FILE.run.")
    private @Nullable Path run;

    @Option(
        names = "--steps",
        paramLabel = "N",
        description = "Steps for each layer. Default: ${DEFAULT-VALUE}.")
    private int steps = TunedLensTraining.Config.standard().steps();

    @Option(
        names = "--positions",
        paramLabel = "N",
        description = "Positions of a step, at most 512. Default: ${DEFAULT-VALUE}.")
    private int positions = TunedLensTraining.Config.standard().positions();

    @Option(
        names = "--optimiser",
        paramLabel = "NAME",
        description = "adam, or sgd as the tuned-lens package. Default: ${DEFAULT-VALUE}.")
    private Optimiser optimiser = Optimiser.adam;

    @Option(
        names = "--rate",
        paramLabel = "X",
        description = "Learning rate at its peak. Default: 0.001 for adam, 0.1 for sgd.")
    private @Nullable Double rate;

    @Option(names = "--bias-only", description = "Learn a shift for each layer, no matrix.")
    private boolean biasOnly;

    Train(Console console) {
      this.console = console;
    }

    @Override
    public Integer call() {
      var config =
          TunedLensTraining.Config.standard()
              .with(optimiser.method)
              .withSteps(steps, positions)
              .withBiasOnly(biasOnly)
              .withSeed(seed.seed());
      if (rate != null) config = config.withRate(rate);
      try (var model = LoadedModel.open(console, modelOptions)) {
        TextWindows rows = text.read(model, Optional.empty(), seed.seed());
        Path file = text.file().orElseThrow();
        var data =
            "%s, %d tokens, sha256 %s"
                .formatted(file.getFileName(), rows.tokens(), InputFiles.sha256(file));
        long start = System.nanoTime();
        try (var lens = train(model, rows, data, config)) {
          lens.save(save);
          ResultOutput.show(
              console,
              output,
              "Tuned lens of " + model.transformer().card().name(),
              "Training",
              "Both curves are of held-out text; what lies between them is what the logit lens does"
                  + " not see because a layer speaks another basis.",
              lens.report(model.transformer(), (System.nanoTime() - start) / 1e9));
        }
        if (output.json().showsText()) {
          console.err().println("written to " + save);
        }
      }
      return Main.DONE;
    }

    private TunedLens train(
        LoadedModel model, TextWindows rows, String data, TunedLensTraining.Config config) {
      Path directory = run == null ? save.resolveSibling(save.getFileName() + ".run") : run;
      int layers = model.transformer().layers();
      try (var progress =
          output.json().progress(console, "training", (long) layers * config.steps())) {
        return TunedLensTraining.run(
            model.transformer(),
            rows.rows(),
            data,
            config,
            directory,
            now -> {
              progress.advance(1);
              if (now.step() == now.steps() && output.json().showsText()) {
                console
                    .err()
                    .println(
                        String.format(
                            Locale.ROOT,
                            "layer %d of %d  KL %.4f nats",
                            now.layer(),
                            now.layers(),
                            now.loss()));
                console.err().flush();
              }
            });
      }
    }
  }
}
