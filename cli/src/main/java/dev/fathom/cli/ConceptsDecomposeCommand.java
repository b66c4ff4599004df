package dev.fathom.cli;

import dev.fathom.concepts.ActiveConcepts;
import dev.fathom.concepts.ActiveConceptsResult;
import dev.fathom.concepts.Dictionary;
import dev.fathom.concepts.decompose.ElasticNet;
import dev.fathom.concepts.decompose.MatchingPursuit;
import dev.fathom.concepts.decompose.Solver;
import dev.fathom.data.Prompt;
import dev.fathom.explain.Names;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Takes the activations of a prompt apart into concepts.
@Command(
    name = "decompose",
    description = "Shows of which concepts each token's activation consists.",
    footer = {
      "",
      "Examples:",
      "  fathom concepts decompose concepts/base -m DIR \"She thanked him for his help\"",
      "  fathom concepts decompose concepts/base -m DIR --solver omp --atoms 5 \"Hello\"",
    })
final class ConceptsDecomposeCommand implements Callable<Integer> {
  static final String EXPLANATION =
      "Each token's activation as a sum of few directions of a dictionary. What is not in the"
          + " dictionary is told as the nearest that is, or not at all: see how much is explained.";

  /// How few directions are found.
  enum Way {
    net,
    omp
  }

  private final Console console;

  @Parameters(index = "0", paramLabel = "DIR", description = "The dictionary's folder.")
  private Path folder = Path.of("");

  @Parameters(index = "1", paramLabel = "PROMPT", description = "The text to read.")
  private String text = "";

  @Mixin private final ModelOptions modelOptions = new ModelOptions();

  @Option(
      names = "--layer",
      paramLabel = "L",
      description = "Where activations are read. Default: the layer of the best median AUC.")
  private @Nullable Integer layer;

  @Option(
      names = "--solver",
      paramLabel = "NAME",
      description =
          "net (elastic net, as in PaCE) or omp (orthogonal matching pursuit). Default:"
              + " ${DEFAULT-VALUE}.")
  private Way solver = Way.net;

  @Option(
      names = "--alpha",
      paramLabel = "X",
      description = "What coefficients cost in the elastic net. Default: ${DEFAULT-VALUE}.")
  private double alpha = ElasticNet.standard().alpha();

  @Option(
      names = "--tau",
      paramLabel = "X",
      description = "1 for the lasso, 0 for ridge, between for both. Default: ${DEFAULT-VALUE}.")
  private double tau = ElasticNet.standard().tau();

  @Option(
      names = "--atoms",
      paramLabel = "K",
      description = "Concepts that matching pursuit takes at most. Default: ${DEFAULT-VALUE}.")
  private int atoms = MatchingPursuit.standard().atoms();

  @Option(names = "--non-negative", description = "Concepts may be present only, not missing.")
  private boolean nonNegative;

  @Option(
      names = "--no-centre",
      description = "Do not take off first what all texts have in common.")
  private boolean notCentred;

  @Mixin private final SeedOption seed = new SeedOption();
  @Mixin private final OutputOptions output = new OutputOptions();

  ConceptsDecomposeCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    Solver way =
        switch (solver) {
          case net -> new ElasticNet(alpha, tau, nonNegative);
          case omp -> new MatchingPursuit(atoms, nonNegative);
        };
    output.requirePlaces();
    try (var dictionary = Dictionary.open(folder)) {
      int at = ConceptsShowCommand.layer(dictionary, layer); // sooner than a model loads
      try (var model = LoadedModel.open(console, modelOptions)) {
        Prompt prompt = model.prompt(text, Prompt.Options.PLAIN);
        var config = new ActiveConcepts.Config(at, way, !notCentred, seed.seed());
        ResultOutput.show(
            console,
            output,
            text,
            "Active concepts",
            EXPLANATION,
            read(model, prompt, dictionary, config));
      }
    }
    return Main.DONE;
  }

  private static ActiveConceptsResult read(
      LoadedModel model, Prompt prompt, Dictionary dictionary, ActiveConcepts.Config config) {
    var names = new Names(model.transformer(), model.tokenizer()).tokens(prompt);
    return ActiveConcepts.of(model.transformer(), prompt, names, dictionary, config);
  }

  /// A prompt by the usual settings, at a dictionary's best layer.
  static ActiveConceptsResult read(LoadedModel model, Prompt prompt, Path folder) {
    try (var dictionary = Dictionary.open(folder)) {
      int at = dictionary.bestLayer();
      var config = new ActiveConcepts.Config(at, ElasticNet.standard(), true, 0);
      return read(model, prompt, dictionary, config);
    }
  }
}
