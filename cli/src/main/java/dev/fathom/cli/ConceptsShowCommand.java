package dev.fathom.cli;

import dev.fathom.concepts.Dictionary;
import dev.fathom.concepts.DictionaryResult;
import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Looks through a dictionary.
@Command(
    name = "show",
    description = "Shows what a dictionary is worth at each layer, and which concepts are near.",
    footer = {
      "",
      "Examples:",
      "  fathom concepts show concepts/base",
      "  fathom concepts show concepts/base --layer 12 --top 100 --html page.html",
    })
final class ConceptsShowCommand implements Callable<Integer> {
  private static final String EXPLANATION =
      "Directions that texts about a concept move activations along, tried on texts that were held"
          + " out. Nearness is the cosine of two directions in the model's own space.";

  private final Console console;

  @Parameters(paramLabel = "DIR", description = "The dictionary's folder.")
  private Path folder = Path.of("");

  @Option(
      names = "--layer",
      paramLabel = "L",
      description = "Where concepts are shown. Default: the layer of the best median AUC.")
  private @Nullable Integer layer;

  @Option(
      names = "--top",
      paramLabel = "K",
      description = "Concepts in the table, at most. Default: ${DEFAULT-VALUE}.")
  private int top = 40;

  @Mixin private final OutputOptions output = new OutputOptions();

  ConceptsShowCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (top < 1) {
      throw new IllegalArgumentException("--top %d: at least 1 is needed.".formatted(top));
    }
    output.requirePlaces();
    try (var dictionary = Dictionary.open(folder)) {
      ResultOutput.show(
          console,
          output,
          String.valueOf(folder.getFileName()),
          "Concepts",
          EXPLANATION,
          DictionaryResult.of(dictionary, layer(dictionary, layer), top));
    }
    return Main.DONE;
  }

  /// The layer that was asked for, or the best.
  static int layer(Dictionary dictionary, @Nullable Integer asked) {
    OptionalInt known =
        dictionary.layers().stream()
            .mapToInt(Integer::intValue)
            .filter(l -> asked != null && l == asked)
            .findFirst();
    if (asked != null && known.isEmpty()) {
      throw new IllegalArgumentException(
          "--layer %d: %s has layers %s.".formatted(asked, dictionary.path(), dictionary.layers()));
    }
    return known.orElseGet(dictionary::bestLayer);
  }
}
