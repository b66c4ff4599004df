package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.align.lope.NeuronSurvey;
import dev.fathom.align.lope.StereotypeSurvey;
import dev.fathom.evaluate.bias.StereoSetItem;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// The neurons that write along probes of stereotypes.
@Command(
    name = "neurons",
    description = "Shows which neurons write along probes of stereotypes.",
    footer = {
      "",
      "Every layer's probe tells stereotypes from other sentences. The neurons of the",
      "whole model whose value vectors point along it best are shown by layer, in the",
      "vocabulary, and with their activations on each kind of sentence.",
      "",
      "Examples:",
      "  fathom align neurons -m DIR --data dev.json",
      "  fathom align neurons -m DIR --data dev.json --domains gender --labels anti \\",
      "    --html neurons.html",
    })
final class AlignNeuronsCommand implements Callable<Integer> {
  private static final String EXPLANATION =
      "Neurons whose value vectors point along what tells stereotypes from other sentences. That"
          + " they write there does not show that they make the model biased: an edit tells"
          + " (fathom align table).";

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final StereotypeOptions stereotypes = new StereotypeOptions();

  @Option(
      names = "--data",
      paramLabel = "FILE",
      required = true,
      description = "Items of StereoSet, in its own layout or EditBias'.")
  private Path data = Path.of("");

  @Option(
      names = "--neurons",
      paramLabel = "K",
      description = "Neurons of each probe. Default: ${DEFAULT-VALUE}.")
  private int neurons = NeuronSurvey.Config.standard().neurons();

  @Option(
      names = "--absolute",
      description =
          "Take those that point against a probe as well; their activations count with the other"
              + " sign.")
  private boolean absolute;

  @Option(
      names = "--text",
      paramLabel = "FILE",
      description =
          "Running text that has nothing to do with it, one text a line, to read the neurons on,"
              + " too.")
  private @Nullable Path text;

  @Option(
      names = "--cache",
      paramLabel = "DIR",
      description = "Where what the model computed is kept for the next time. Default: nowhere.")
  private @Nullable Path cache;

  @Mixin private final SeedOption seed = new SeedOption();
  @Mixin private final OutputOptions output = new OutputOptions();

  AlignNeuronsCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    var looked = NeuronSurvey.Config.standard().withNeurons(neurons).withSeed(seed.seed());
    var config = stereotypes.config(absolute ? looked.withAbsolute() : looked);
    if (text != null) {
      config = config.withNeutral(lines(text));
    }
    output.requirePlaces();
    if (cache != null) {
      AtomicFile.requireFolder(cache);
      config = config.withCache(cache);
    }
    List<StereoSetItem> items = stereotypes.items(data); // fails sooner than a model loads
    try (var model = LoadedModel.open(console, modelOptions)) {
      StereotypeSurvey survey;
      try (var progress =
          output.json().progress(console, "reading", StereotypeSurvey.texts(items, config))) {
        survey =
            StereotypeSurvey.run(
                model.transformer(), model.tokenizer(), items, config, progress::advance);
      }
      ResultOutput.show(
          console,
          output,
          String.valueOf(data.getFileName()),
          "Neurons along probes",
          EXPLANATION,
          survey.neurons());
    }
    return Main.DONE;
  }

  private static List<String> lines(Path file) {
    List<String> lines = InputFiles.lines(file);
    if (lines.isEmpty()) {
      throw new FathomException(
          file + ": no text in it; one text a line is expected, or leave out --text");
    }
    return lines;
  }
}
