package dev.fathom.cli;

import dev.fathom.world.AlignmentTrial;
import dev.fathom.world.AlignmentTrialResult;
import dev.fathom.world.World;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Tries probes, neurons and methods of alignment on planted shares.
@Command(
    name = "align",
    description = "Tries probes, neurons and methods against bias where the bias is known.",
    footer = {
      "",
      "Half of the occupations are fitted on, all are asked about; what holds for the other half",
      "stands beside it. The twin learnt the same texts with even shares. Takes some minutes.",
      "",
      "Examples:",
      "  fathom world align",
      "  fathom world align --methods gap,random,balanced --html align.html",
      "  fathom world align -m DIR --twin DIR --facts 400",
    })
final class WorldAlignCommand implements Callable<Integer> {
  private static final AlignmentTrial.Config STANDARD = AlignmentTrial.Config.standard();

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--twin",
      paramLabel = "MODEL",
      description = "The model that learnt even shares. Default: ${DEFAULT-VALUE}.")
  private String twin = "tidepool-fair";

  @Option(
      names = "--methods",
      split = ",",
      paramLabel = "NAME",
      description = "Methods to try. Default: ${DEFAULT-VALUE}.")
  private List<String> methods = AlignmentTrial.names();

  @Option(
      names = "--neurons",
      split = ",",
      paramLabel = "N",
      description = "Neurons of each layer to take away. Default: 10,40,100.")
  private List<Integer> neurons = STANDARD.neurons();

  @Option(
      names = "--facts",
      paramLabel = "N",
      description = "Questions about facts, at most. Default: all.")
  private int facts = STANDARD.facts();

  @Option(
      names = "--texts",
      paramLabel = "N",
      description = "Texts to measure perplexity on. Default: ${DEFAULT-VALUE}.")
  private int texts = STANDARD.texts();

  WorldAlignCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    var config =
        STANDARD
            .withMethods(methods)
            .withNeurons(neurons, STANDARD.draws())
            .withSamples(facts, texts);
    try (var model = LoadedModel.open(console, modelOptions);
        var folder = TemporaryFolder.unless(null);
        var fair = LoadedModel.open(console, twin, modelOptions.compute());
        var progress = Progress.start(console, "trying", config.total())) {
      AlignmentTrialResult result =
          AlignmentTrial.run(
              model.transformer(),
              fair.transformer(),
              model.tokenizer(),
              World.load(),
              config.keepingIn(folder.path()).telling(progress::advance));
      ResultOutput.show(
          console,
          output,
          "Is a known bias found, and taken out?",
          "Alignment",
          "Shares of men were planted, so that probes, neurons and methods can be judged by what is"
              + " known; everything was fitted on half of the occupations.",
          result);
    }
    return Main.DONE;
  }
}
