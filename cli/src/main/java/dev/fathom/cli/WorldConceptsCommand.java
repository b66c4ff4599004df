package dev.fathom.cli;

import dev.fathom.world.ConceptTrial;
import dev.fathom.world.ConceptTrialResult;
import dev.fathom.world.World;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Tries directions of concepts on what is known.
@Command(
    name = "concepts",
    description = "Tries directions of concepts, and a map of two models, where truth is known.",
    footer = {
      "",
      "The twin learnt the same texts with nothing planted: where the two differ is known.",
      "",
      "Examples:",
      "  fathom world concepts",
      "  fathom world concepts --html concepts.html --out-dir dictionaries",
    })
final class WorldConceptsCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--twin",
      paramLabel = "MODEL",
      description = "The model that learnt even shares. Default: ${DEFAULT-VALUE}.")
  private String twin = "tidepool-fair";

  @Option(
      names = "--subjects",
      paramLabel = "N",
      description =
          "Cities, landmarks and so on to read, of each kind at most. Default: ${DEFAULT-VALUE}.")
  private int most = ConceptTrial.MOST;

  @Option(
      names = "--out-dir",
      paramLabel = "DIR",
      description = "Keep the dictionaries here. Default: nowhere.")
  private @Nullable Path directory;

  WorldConceptsCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (most < 2) {
      throw new IllegalArgumentException("--subjects %d: at least 2 are needed.".formatted(most));
    }
    output.requirePlaces();
    if (directory != null) {
      AtomicFile.requireFolder(directory);
    }
    World world = World.load();
    try (var model = LoadedModel.open(console, modelOptions);
        var folder = TemporaryFolder.unless(directory);
        var fair = LoadedModel.open(console, twin, modelOptions.compute());
        var progress =
            output.json().progress(console, "reading", ConceptTrial.total(world, most))) {
      ConceptTrialResult result =
          ConceptTrial.run(
              model.transformer(),
              fair.transformer(),
              model.tokenizer(),
              world,
              most,
              folder.path(),
              progress::advance);
      ResultOutput.show(
          console,
          output,
          "Do directions of concepts find what is known?",
          "Concepts",
          "Directions of what this world's texts are about, in the model and in its twin, which"
              + " learnt the same texts with nothing planted.",
          result);
    }
    return Main.DONE;
  }
}
