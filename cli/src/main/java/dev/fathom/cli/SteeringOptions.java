package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.align.probe.Features;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Along what a model is steered, where, and how.
final class SteeringOptions {
  @Option(
      names = "--dictionary",
      paramLabel = "DIR",
      description = "Steer along a concept of this dictionary (fathom concepts build).")
  private @Nullable Path dictionary;

  @Option(
      names = "--concept",
      paramLabel = "NAME",
      description = "Which concept; with --how remove it can be given several times.")
  private List<String> concepts = List.of();

  @Option(
      names = "--pairs",
      paramLabel = "FILE.jsonl",
      description =
          "Steer along the mean difference of pairs of texts, {\"positive\": …, \"negative\": …} a"
              + " line (contrastive activation addition).")
  private @Nullable Path pairs;

  @Option(
      names = "--probe",
      paramLabel = "FILE.safetensors",
      description = "Steer along directions that fathom probe kept.")
  private @Nullable Path probe;

  @Option(
      names = "--vector",
      paramLabel = "FILE.gguf",
      description = "Steer along a control vector of llama.cpp.")
  private @Nullable Path vector;

  @Option(
      names = "--how",
      paramLabel = "HOW",
      description =
          "add a step along it; project it out of the stream; take it out of all that attention and"
              + " MLPs write (writes); remove concepts by decomposition; shift the heads that know"
              + " best what pairs differ in (heads). Default: ${DEFAULT-VALUE}.")
  private How how = How.add;

  @Option(
      names = "--layers",
      paramLabel = "A-B",
      description =
          "Steer at these: 4, 4-9, late:4, all. Default: add and remove the layer that is read best"
              + " (of a control vector all), project and writes all with that layer's direction,"
              + " heads all.")
  private @Nullable String layers;

  @Option(
      names = "--reduce",
      paramLabel = "HOW",
      description =
          "With --pairs: read a text at its last token, or as the mean over its tokens, which is"
              + " better for what is said all along, such as a tone. Default: ${DEFAULT-VALUE}.")
  private Reduce reduce = Reduce.last;

  @Option(
      names = "--heads",
      paramLabel = "K",
      description = "With --how heads: shift this many. Default: ${DEFAULT-VALUE}.")
  private int heads = 16;

  @Option(
      names = "--judge",
      paramLabel = "PLACE",
      description =
          "Judge texts along another direction: a file of probes, or another dictionary. Default:"
              + " of pairs the half that does not steer, otherwise the direction itself.")
  private @Nullable Path judge;

  /// Which tokens of a text are read.
  enum Reduce {
    last(Features.Reduction.LAST),
    mean(Features.Reduction.MEAN);

    private final Features.Reduction reduction;

    Reduce(Features.Reduction reduction) {
      this.reduction = reduction;
    }
  }

  /// What is done along a direction, and the strength that is usual for it, but for control
  /// vectors.
  enum How {
    add(4),
    project(1),
    writes(1),
    remove(1),
    heads(15);

    private final double usual;

    How(double usual) {
      this.usual = usual;
    }
  }

  How how() {
    return how;
  }

  /// The strength where none was asked for; of a control vector llama.cpp's scale 1, the strength
  /// that it was kept at.
  double usual() {
    return vector == null ? how.usual : 1;
  }

  /// Refuses what makes no sense, before a model loads.
  void check() {
    long sources = Stream.of(dictionary, pairs, probe, vector).filter(p -> p != null).count();
    if (sources != 1) {
      throw new IllegalArgumentException(
          sources == 0
              ? "Say along what to steer: one of --dictionary, --pairs, --probe and --vector."
              : "Give one of --dictionary, --pairs, --probe and --vector, not several.");
    }
    if ((dictionary != null) == concepts.isEmpty()) {
      throw new IllegalArgumentException(
          dictionary != null
              ? "Say with --concept which of the dictionary's concepts to steer along."
              : "--concept names a concept of a dictionary: give --dictionary too.");
    }
    if (how == How.remove && dictionary == null) {
      throw new IllegalArgumentException(
          "--how remove takes activations apart into the concepts of a dictionary: give"
              + " --dictionary and --concept.");
    }
    if (how != How.remove && concepts().size() > 1) {
      throw new IllegalArgumentException(
          "--how %s is done along one concept, found %d: only --how remove takes several."
              .formatted(how, concepts().size()));
    }
    if (how == How.heads && pairs == null) {
      throw new IllegalArgumentException(
          "--how heads finds heads that tell pairs of texts apart: give --pairs.");
    }
    if (reduce == Reduce.mean && (pairs == null || how == How.heads)) {
      throw new IllegalArgumentException(
          "--reduce mean says how the stream is read of --pairs; heads are read at last tokens.");
    }
    if (heads < 1) {
      throw new IllegalArgumentException("--heads %d: at least 1 is needed.".formatted(heads));
    }
  }

  /// Refuses a source that is not there, before a model loads.
  void requireFiles() {
    Stream.of(dictionary, pairs, probe, vector, judge)
        .filter(path -> path != null)
        .filter(path -> !Files.exists(path))
        .findFirst()
        .ifPresent(path -> {
          throw new FathomException(path + ": there is no such file or folder.");
        });
  }

  /// What the direction is called in titles.
  String title() {
    Path named = Stream.of(pairs, probe, vector).filter(p -> p != null).findFirst().orElse(null);
    return named == null ? String.join(", ", concepts()) : String.valueOf(named.getFileName());
  }

  Optional<Path> dictionary() {
    return Optional.ofNullable(dictionary);
  }

  /// Each once, as they were given.
  List<String> concepts() {
    return concepts.stream().distinct().toList();
  }

  Optional<Path> pairs() {
    return Optional.ofNullable(pairs);
  }

  Optional<Path> probe() {
    return Optional.ofNullable(probe);
  }

  Optional<Path> vector() {
    return Optional.ofNullable(vector);
  }

  /// The layers asked for, as they were written.
  Optional<String> layers() {
    return Optional.ofNullable(layers);
  }

  Features.Reduction reduction() {
    return reduce.reduction;
  }

  int heads() {
    return heads;
  }

  Optional<Path> judge() {
    return Optional.ofNullable(judge);
  }
}
