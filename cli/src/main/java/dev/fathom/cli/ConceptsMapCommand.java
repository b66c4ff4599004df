package dev.fathom.cli;

import dev.fathom.concepts.Dictionary;
import dev.fathom.concepts.map.ConceptMap;
import dev.fathom.concepts.map.ConceptMapResult;
import dev.fathom.concepts.map.Projection;
import dev.fathom.concepts.map.Umap;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// The map of a dictionary, or of two.
@Command(
    name = "map",
    description = "Shows which concepts lie near each other, and what changed in another model.",
    footer = {
      "",
      "No model is needed: dictionaries are what fathom concepts build left. With",
      "--with, concepts are matched by name, and a rank test says which groups changed",
      "more than the others.",
      "",
      "Examples:",
      "  fathom concepts map concepts/base --html map.html",
      "  fathom concepts map concepts/base --around love",
      "  fathom concepts map concepts/base --with concepts/tuned --html both.html",
      "  fathom concepts map concepts/words --queries war,music,food --percentile 99",
    })
final class ConceptsMapCommand implements Callable<Integer> {
  private static final String EXPLANATION =
      "Each point is a concept's direction. Near points are alike; distances between groups and"
          + " empty room mean nothing. The tables are of the original space.";

  /// How directions become points.
  enum Drawn {
    umap(Projection.UMAP),
    pca(Projection.PCA);

    private final Projection projection;

    Drawn(Projection projection) {
      this.projection = projection;
    }
  }

  /// How two models come onto one map.
  enum Mode {
    separate(ConceptMap.Mode.SEPARATE),
    joint(ConceptMap.Mode.JOINT),
    transform(ConceptMap.Mode.TRANSFORM);

    private final ConceptMap.Mode mode;

    Mode(ConceptMap.Mode mode) {
      this.mode = mode;
    }
  }

  private final Console console;

  @Parameters(paramLabel = "DICT", description = "A dictionary's folder.")
  private Path folder = Path.of("");

  @Option(
      names = "--with",
      paramLabel = "DICT2",
      description = "Another model's dictionary, to see what changed.")
  private @Nullable Path other;

  @Option(
      names = "--layer",
      paramLabel = "L",
      description = "Default: the one whose directions tell held-out texts best.")
  private @Nullable Integer layer;

  @Option(
      names = "--with-layer",
      paramLabel = "L",
      description = "The layer of DICT2. Default: the same.")
  private @Nullable Integer otherLayer;

  @Option(
      names = "--around",
      paramLabel = "NAME",
      description = "Look closely at this concept and its 20 nearest.")
  private @Nullable String around;

  @Option(
      names = "--queries",
      split = ",",
      paramLabel = "NAME",
      description =
          "Concepts to colour by: what is nearest to each, instead of the dictionary's groups.")
  private List<String> queries = List.of();

  @Option(
      names = "--percentile",
      paramLabel = "P",
      description =
          "What is nearer to a query than P %% of all are to any belongs to it; lower it for few"
              + " concepts. Default: ${DEFAULT-VALUE}.")
  private double percentile = ConceptMap.Config.standard().percentile();

  @Option(
      names = "--mode",
      paramLabel = "HOW",
      description =
          "Two models in one map (joint), in one each, the second laid over the first (separate),"
              + " or the second placed in the map of the first (transform). Default: joint where"
              + " both are of one width, else separate.")
  private @Nullable Mode mode;

  @Option(
      names = "--projection",
      paramLabel = "HOW",
      description = "umap or pca. Default: ${DEFAULT-VALUE}.")
  private Drawn projection = Drawn.umap;

  @Option(
      names = "--neighbours",
      paramLabel = "K",
      description =
          "Of each concept, that the map keeps near and models are compared by. Default:"
              + " ${DEFAULT-VALUE}.")
  private int neighbours = Umap.Config.standard().neighbours();

  @Option(
      names = "--nearest",
      paramLabel = "K",
      description =
          "Of each concept, that are listed and looked at for its group. Default:"
              + " ${DEFAULT-VALUE}.")
  private int nearest = ConceptMap.Config.standard().nearest();

  @Option(
      names = "--seed",
      paramLabel = "N",
      description =
          "Seed of everything random; the same seed gives the same map. Default: ${DEFAULT-VALUE}.")
  private long seed = Umap.Config.standard().seed();

  @Mixin private final OutputOptions output = new OutputOptions();

  ConceptsMapCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    output.requirePlaces();
    if (other == null && (mode != null || otherLayer != null)) {
      throw new IllegalArgumentException(
          "--%s is about two models: give the other's dictionary by --with."
              .formatted(mode != null ? "mode" : "with-layer"));
    }
    ConceptMap.Config config = config();
    try (var base = Dictionary.open(folder)) {
      int own = ConceptsShowCommand.layer(base, layer);
      if (other == null) {
        show(String.valueOf(folder.getFileName()), ConceptMap.of(base, own, config));
      } else {
        try (var tuned = Dictionary.open(other)) {
          show(
              "%s and %s".formatted(folder.getFileName(), other.getFileName()),
              ConceptMap.of(base, own, tuned, layerOf(tuned, own), config));
        }
      }
    }
    return Main.DONE;
  }

  private ConceptMap.Config config() {
    if (neighbours < 2) {
      throw new IllegalArgumentException(
          "--neighbours %d: at least 2 are needed.".formatted(neighbours));
    }
    if (nearest < 1) {
      throw new IllegalArgumentException("--nearest %d: at least 1 is needed.".formatted(nearest));
    }
    if (!(percentile >= 0 && percentile < 100)) {
      throw new IllegalArgumentException(
          "--percentile %s: a number from 0 to below 100 is needed.".formatted(percentile));
    }
    var config =
        ConceptMap.Config.standard()
            .with(projection.projection)
            .with(Umap.Config.standard().withNeighbours(neighbours).withSeed(seed))
            .withQueries(queries, percentile)
            .withNearest(nearest);
    if (around != null) {
      config = config.around(around);
    }
    return mode == null ? config : config.with(mode.mode);
  }

  private int layerOf(Dictionary tuned, int own) {
    int wanted = otherLayer == null ? own : otherLayer;
    if (!tuned.layers().contains(wanted)) {
      throw new IllegalArgumentException(
          "%s has layers %s, not %d: choose one by --with-layer."
              .formatted(tuned.path(), tuned.layers(), wanted));
    }
    return wanted;
  }

  private void show(String title, ConceptMapResult result) {
    ResultOutput.show(console, output, title, "Map of concepts", EXPLANATION, result);
  }
}
