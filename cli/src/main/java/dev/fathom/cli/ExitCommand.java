package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.data.PromptFile;
import dev.fathom.explain.lens.TunedLens;
import dev.fathom.refine.ConfidenceExit;
import dev.fathom.refine.EarlyExit;
import dev.fathom.refine.Exit;
import dev.fathom.refine.ExitReport;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Measures what it saves to let tokens leave before the last block, and what it changes.
@Command(
    name = "exit",
    description = "Measures what stopping at an early layer saves, and changes.",
    footer = {
      "",
      "Continues prompts one at a time and reads the same texts again with every block, so that",
      "times are of the same tokens. With --mod, the router says before the late blocks which of",
      "them a token needs; with --confidence, each layer is asked whether it is sure.",
      "",
      "Skipping at most k - 1 of n blocks makes nothing more than n / (n - k + 1) times as fast.",
      "",
      "Examples:",
      "  fathom exit -m DIR --edit lora.safetensors --mod mod.safetensors --routes 1 \"Question: 2+2?\"",
      "  fathom exit -m DIR --mod mod.safetensors --routes 2 --mode propagate --prompts q.jsonl -n 64",
      "  fathom exit -m DIR --confidence max-prob --threshold 0.9 --min-layer 12 \"Once upon a time\"",
      "  fathom exit -m DIR --confidence entropy --threshold 0.5 --min-layer 8 --prompts q.jsonl"
          + " --tuned-lens tuned.safetensors",
    })
final class ExitCommand implements Callable<Integer> {
  private static final String EXPLANATION =
      "What a token costs when it may leave before the last block, beside the full model reading"
          + " the same tokens on the same machine, one row at a time.";

  /// What becomes of the keys and values of skipped blocks.
  enum Mode {
    exact(Exit.EXACT),
    propagate(Exit.PROPAGATE),
    none(Exit.NONE);

    private final Exit exit;

    Mode(Exit exit) {
      this.exit = exit;
    }
  }

  /// Measures as they are written.
  enum Confidence {
    max_prob(ConfidenceExit.Measure.MAX_PROBABILITY),
    margin(ConfidenceExit.Measure.MARGIN),
    entropy(ConfidenceExit.Measure.ENTROPY),
    cosine(ConfidenceExit.Measure.COSINE);

    private final ConfidenceExit.Measure measure;

    Confidence(ConfidenceExit.Measure measure) {
      this.measure = measure;
    }

    @Override
    public String toString() {
      return measure.text();
    }
  }

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final PromptOptions promptOptions = new PromptOptions();
  @Mixin private final MixtureOptions mixtureOptions = new MixtureOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(names = "--top-k", paramLabel = "K", description = "The same as --routes.")
  private void count(int routes) {
    mixtureOptions.count(routes);
  }

  @Option(
      names = "--mode",
      paramLabel = "MODE",
      description =
          "exact: skipped blocks are made up for when a later token needs them; propagate: their"
              + " keys and values are made of the stream at the exit; none: every block is run."
              + " Default: ${DEFAULT-VALUE}.")
  private Mode mode = Mode.exact;

  @Option(
      names = "--confidence",
      paramLabel = "RULE",
      description =
          "Leave at the first layer that is sure: max-prob, margin (between the two likeliest"
              + " tokens) or cosine (of the stream with the layer before) above --threshold, or"
              + " entropy (nats) below it.")
  private @Nullable Confidence confidence;

  @Option(names = "--threshold", paramLabel = "X", description = "With --confidence: how sure.")
  private @Nullable Double threshold;

  @Option(
      names = "--min-layer",
      paramLabel = "L",
      description =
          "With --confidence: the first layer to leave at; layer L stands after L blocks. Default:"
              + " half of them.")
  private @Nullable Integer minLayer;

  @Option(
      names = "--tuned-lens",
      paramLabel = "FILE",
      description =
          "With --confidence: read layers through this tuned lens, from `fathom lens train`.")
  private @Nullable Path tunedLens;

  @Option(
      names = {"-n", "--max-tokens"},
      paramLabel = "N",
      description = "Most tokens to generate for each prompt. Default: ${DEFAULT-VALUE}.")
  private int maxTokens = 64;

  @Option(names = "--ignore-eos", description = "Go on after the model ends its text.")
  private boolean ignoreEos;

  ExitCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    check();
    var source = promptOptions.source(console);
    try (var model = LoadedModel.open(console, modelOptions);
        var tuned = mixtureOptions.open(model.transformer());
        var lens = lens(model)) {
      EarlyExit speaker =
          tuned.mixture().isPresent()
              ? tuned.mixture().get().with(mode.exit)
              : confident(model, lens).with(mode.exit);
      List<Prompt> prompts = prompts(model, source);
      Set<Integer> ends = ignoreEos ? Set.of() : StopTokens.of(model);
      ExitReport report;
      try (var progress = output.json().progress(console, "measuring", prompts.size())) {
        report =
            ExitReport.run(
                speaker,
                model.tokenizer(),
                prompts,
                new ExitReport.Config(maxTokens, ends),
                progress::advance);
      }
      String title =
          source instanceof PromptOptions.Source.Lines(Path file)
              ? String.valueOf(file.getFileName())
              : prompts.getFirst().text();
      ResultOutput.show(console, output, title, "Leaving early", EXPLANATION, report);
    }
    return Main.DONE;
  }

  private void check() {
    mixtureOptions.check();
    if (mixtureOptions.given() == (confidence != null)) {
      throw new IllegalArgumentException(
          "Say when tokens leave: either --mod FILE or --confidence RULE --threshold X.");
    }
    if (confidence == null && (threshold != null || minLayer != null || tunedLens != null)) {
      throw new IllegalArgumentException(
          "--threshold, --min-layer and --tuned-lens go with --confidence RULE.");
    }
    if (confidence != null && threshold == null) {
      throw new IllegalArgumentException(
          "--confidence %s needs --threshold X: for example %s."
              .formatted(confidence, confidence == Confidence.entropy ? "0.5" : "0.9"));
    }
    new ExitReport.Config(maxTokens, Set.of()); // refuse early
    if (confidence != null && threshold != null) {
      new ConfidenceExit.Rule(confidence.measure, threshold, minLayer == null ? 1 : minLayer);
    }
  }

  private ConfidenceExit confident(LoadedModel model, Lens lens) {
    if (confidence == null || threshold == null) {
      throw new IllegalStateException("checked before");
    }
    int least = minLayer == null ? Math.max(1, model.transformer().layers() / 2) : minLayer;
    var rule = new ConfidenceExit.Rule(confidence.measure, threshold, least);
    var speaker = ConfidenceExit.of(model.transformer(), rule);
    return lens.tuned.map(speaker::through).orElse(speaker);
  }

  /// A tuned lens that is closed with the command, or none.
  private record Lens(Optional<TunedLens> tuned) implements AutoCloseable {
    @Override
    public void close() {
      tuned.ifPresent(TunedLens::close);
    }
  }

  @SuppressWarnings("MustBeClosedChecker") // closed with what holds it
  private Lens lens(LoadedModel model) {
    return new Lens(
        Optional.ofNullable(tunedLens).map(file -> TunedLens.load(file, model.transformer())));
  }

  private List<Prompt> prompts(LoadedModel model, PromptOptions.Source source) {
    return switch (source) {
      case PromptOptions.Source.Text(String text) -> List.of(model.prompt(text, promptOptions));
      case PromptOptions.Source.Lines(Path file) -> {
        var prompts = new ArrayList<Prompt>();
        PromptFile.forEach(file, line -> prompts.add(model.prompt(line.prompt(), promptOptions)));
        yield prompts;
      }
    };
  }
}
