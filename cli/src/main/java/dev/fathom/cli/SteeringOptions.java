package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.align.probe.Probes;
import dev.fathom.concepts.Dictionary;
import dev.fathom.concepts.Reading;
import dev.fathom.concepts.decompose.ElasticNet;
import dev.fathom.concepts.steer.ConceptAtoms;
import dev.fathom.concepts.steer.Contrast;
import dev.fathom.concepts.steer.ControlVectorFile;
import dev.fathom.concepts.steer.HeadProbes;
import dev.fathom.concepts.steer.Judge;
import dev.fathom.concepts.steer.Steering;
import dev.fathom.concepts.steer.SteeringVector;
import dev.fathom.data.ContrastFile;
import dev.fathom.data.ContrastPair;
import dev.fathom.model.Kind;
import dev.fathom.model.Site;
import dev.fathom.model.SiteAddress;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Along what a model is steered, where, and how.
final class SteeringOptions {
  private static final int MOST_HEADS_SHOWN = 8;

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

  /// What is done along a direction, and the strength that is usual for it.
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

    double usual() {
      return usual;
    }
  }

  /// What was found to be done.
  ///
  /// @param steerings of strength 1
  /// @param vector where there is one direction a layer
  /// @param judge along a direction, if there is one
  /// @param notes what a reader should know, one sentence each
  /// @param parameters for cards
  /// @param owned to be closed when nothing is steered any more
  record Plan(
      List<Steering> steerings,
      Optional<SteeringVector> vector,
      Optional<Judge> judge,
      List<String> notes,
      SequencedMap<String, String> parameters,
      List<AutoCloseable> owned)
      implements AutoCloseable {
    @Override
    public void close() {
      for (AutoCloseable one : owned) {
        try {
          one.close();
        } catch (Exception e) {
          throw new IllegalStateException(e);
        }
      }
    }
  }

  How how() {
    return how;
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
    if (how != How.remove && concepts.size() > 1) {
      throw new IllegalArgumentException(
          "--how %s is done along one concept, found %d: only --how remove takes several."
              .formatted(how, concepts.size()));
    }
    if (how == How.heads && pairs == null) {
      throw new IllegalArgumentException(
          "--how heads finds heads that tell pairs of texts apart: give --pairs.");
    }
    if (heads < 1) {
      throw new IllegalArgumentException("--heads %d: at least 1 is needed.".formatted(heads));
    }
  }

  /// What the direction is called in titles.
  String title() {
    Path named = Stream.of(pairs, probe, vector).filter(p -> p != null).findFirst().orElse(null);
    return named == null ? String.join(", ", concepts) : String.valueOf(named.getFileName());
  }

  /// Finds it on a model.
  Plan plan(LoadedModel model, JsonOptions output, Console console, long seed) {
    if (how == How.heads) {
      return heads(model, output, console, seed);
    }
    if (how == How.remove) {
      return removal(model.transformer());
    }
    if (pairs != null) {
      return contrast(model, ContrastFile.read(pairs), output, console, seed);
    }
    Transformer transformer = model.transformer();
    if (dictionary != null) {
      try (var opened = Dictionary.open(dictionary)) {
        opened.requireModel(transformer);
        List<Integer> chosen = layers == null ? List.of(opened.bestLayer()) : asked(transformer);
        int best = chosen.contains(opened.bestLayer()) ? opened.bestLayer() : chosen.getFirst();
        return along(transformer, SteeringVector.of(opened, concepts.getFirst(), chosen), best);
      }
    }
    if (probe != null) {
      Probes probes = Probes.load(probe, transformer);
      List<Integer> read = SteeringVector.layers(probes);
      int best = best(probes, layers == null ? read : asked(transformer));
      List<Integer> chosen = layers == null ? List.of(best) : asked(transformer);
      return along(transformer, SteeringVector.of(probes, title(), chosen), best);
    }
    var file = ControlVectorFile.read(vector == null ? Path.of("") : vector, transformer);
    List<Integer> chosen = layers == null ? file.layers() : asked(transformer);
    return along(transformer, file.only(chosen), chosen.get(chosen.size() / 2));
  }

  private static int best(Probes probes, List<Integer> layers) {
    int best = layers.getFirst();
    for (Slice slice : probes.probes().keySet()) {
      int layer = slice.site().layer();
      if (layers.contains(layer)
          && auc(probes, slice) > auc(probes, Slice.of(slice.site().kind(), best))) {
        best = layer;
      }
    }
    return best;
  }

  private static double auc(Probes probes, Slice slice) {
    List<Double> own = probes.aucs().getOrDefault(slice, List.of());
    return own.isEmpty() ? 0 : own.getFirst();
  }

  /// The layers asked for, or all.
  private List<Integer> asked(Transformer model) {
    return SiteAddress.parse(Kind.RESID_POST.text() + "." + (layers == null ? "all" : layers))
        .slices(model)
        .stream()
        .map(slice -> slice.site().layer())
        .toList();
  }

  /// @param best the layer whose direction judges, and is used everywhere
  private Plan along(Transformer model, SteeringVector chosen, int best) {
    Optional<Judge> own = Optional.of(judge(chosen, best, "the direction that steers"));
    return of(model, chosen, best, own, List.of());
  }

  private static Judge judge(SteeringVector vector, int layer, String from) {
    return new Judge.Along(Site.of(vector.site(), layer), vector.at(layer), from);
  }

  private Plan of(
      Transformer model, SteeringVector chosen, int best, Optional<Judge> own, List<String> notes) {
    boolean everywhere = layers == null && (how == How.project || how == How.writes);
    SteeringVector used = everywhere ? chosen.everywhere(best, asked(model)) : chosen;
    List<Steering> steerings =
        switch (how) {
          case project -> used.projectedOut();
          case writes -> used.unwritten();
          case add, remove, heads -> used.added(1);
        };
    var parameters = new LinkedHashMap<>(used.card().parameters());
    parameters.put("method", used.card().method());
    parameters.put("concept", used.name());
    parameters.put("how", how.name());
    var said = new ArrayList<>(notes);
    if (used.layers().size() == 1) {
      int layer = used.layers().getFirst();
      said.add(
          "Steering at layer %d; a step of strength 1 is %s long there."
              .formatted(layer, number(used.at(layer).spread())));
    }
    return new Plan(steerings, Optional.of(used), judged(model, own), said, parameters, List.of());
  }

  /// The judge that was asked for, or this one.
  private Optional<Judge> judged(Transformer model, Optional<Judge> own) {
    if (judge == null) {
      return own;
    }
    String from = String.valueOf(judge.getFileName());
    if (Files.isDirectory(judge)) {
      if (concepts.isEmpty()) {
        throw new IllegalArgumentException(
            "--judge %s is a dictionary, but no --concept says which of its concepts is meant: give a file of probes."
                .formatted(judge));
      }
      try (var opened = Dictionary.open(judge)) {
        opened.requireModel(model);
        int layer = opened.bestLayer();
        return Optional.of(
            judge(SteeringVector.of(opened, concepts.getFirst(), List.of(layer)), layer, from));
      }
    }
    Probes probes = Probes.load(judge, model);
    List<Integer> read = SteeringVector.layers(probes);
    int layer = best(probes, read);
    return Optional.of(judge(SteeringVector.of(probes, from, List.of(layer)), layer, from));
  }

  private Contrast read(
      LoadedModel model, List<ContrastPair> read, JsonOptions output, Console console, long seed) {
    var config =
        Contrast.Config.of(how == How.heads ? all(model.transformer()) : asked(model.transformer()))
            .withSeed(seed);
    try (var progress = output.progress(console, "reading", 2L * read.size())) {
      return Contrast.of(
          model.transformer(), model.tokenizer(), read, title(), config, progress::advance);
    }
  }

  private static List<Integer> all(Transformer model) {
    return IntStream.range(0, model.layers()).boxed().toList();
  }

  private Plan contrast(
      LoadedModel model, List<ContrastPair> read, JsonOptions output, Console console, long seed) {
    Contrast contrast = read(model, read, output, console, seed);
    int best = contrast.bestLayer(model.transformer().layers());
    Optional<Judge> own = ofOthers(contrast, best);
    SteeringVector all = contrast.vector();
    var notes = new ArrayList<String>();
    notes.add(
        "Along layer %d's direction both sides of the pairs are %s spreads apart, the step that contrastive activation addition calls 1; on held-out pairs its AUC is %s."
            .formatted(
                best,
                number(contrast.gap().getOrDefault(best, Double.NaN)),
                number(contrast.auc().getOrDefault(best, Double.NaN))));
    return of(
        model.transformer(),
        layers == null ? all.only(List.of(best)) : all,
        best,
        own.or(() -> Optional.of(judge(all, best, "the direction that steers"))),
        notes);
  }

  private static Optional<Judge> ofOthers(Contrast contrast, int layer) {
    return contrast.judge().map(other -> judge(other, layer, "the other half of the pairs"));
  }

  private Plan heads(LoadedModel model, JsonOptions output, Console console, long seed) {
    Path file = pairs == null ? Path.of("") : pairs;
    List<ContrastPair> read = ContrastFile.read(file);
    HeadProbes found;
    try (var progress = output.progress(console, "probing heads", 2L * read.size())) {
      found =
          HeadProbes.of(
              model.transformer(),
              model.tokenizer(),
              read,
              asked(model.transformer()),
              Reading.MEAN_DIFFERENCE,
              seed,
              progress::advance);
    }
    Contrast contrast = read(model, read, output, console, seed);
    int best = contrast.bestLayer(model.transformer().layers());
    var parameters = new LinkedHashMap<String, String>();
    parameters.put("method", "inference-time intervention");
    parameters.put("concept", title());
    parameters.put("how", how.name());
    parameters.put("heads", Integer.toString(heads));
    parameters.put("pairs", Integer.toString(read.size()));
    List<HeadProbes.Head> chosen = found.best(heads);
    String note =
        "Shifting %d of %d heads, which are right on %s to %s of %d held-out texts: %s%s."
            .formatted(
                heads,
                found.heads().size(),
                number(chosen.getLast().accuracy()),
                number(chosen.getFirst().accuracy()),
                found.held(),
                String.join(
                    ", ",
                    chosen.stream()
                        .limit(MOST_HEADS_SHOWN)
                        .map(HeadProbes.Head::toString)
                        .toList()),
                heads > MOST_HEADS_SHOWN ? ", …" : "");
    return new Plan(
        found.shifted(heads, 1),
        Optional.empty(),
        judged(model.transformer(), ofOthers(contrast, best)),
        List.of(note),
        parameters,
        List.of());
  }

  private Plan removal(Transformer model) {
    var owned = new ArrayList<AutoCloseable>();
    try (var opened = Dictionary.open(dictionary == null ? Path.of("") : dictionary)) {
      opened.requireModel(model);
      int best = opened.bestLayer();
      List<Integer> chosen = layers == null ? List.of(best) : asked(model);
      var steerings = new ArrayList<Steering>();
      for (int layer : chosen) {
        var atoms = ConceptAtoms.of(opened, layer, false);
        owned.add(atoms);
        steerings.add(
            new Steering.Remove(
                Site.of(opened.site(), layer),
                atoms,
                atoms.places(concepts),
                ElasticNet.standard(),
                1));
      }
      var first = SteeringVector.of(opened, concepts.getFirst(), List.of(best));
      var parameters = new LinkedHashMap<String, String>();
      parameters.put("how", how.name());
      parameters.put("concept", String.join(", ", concepts));
      return new Plan(
          steerings,
          Optional.empty(),
          judged(model, Optional.of(judge(first, best, "the first of the removed concepts"))),
          List.of(
              "Taking %s off activations at %s, taken apart into %d concepts."
                  .formatted(
                      String.join(", ", concepts),
                      steerings.stream().map(s -> s.site().toString()).toList(),
                      opened.count())),
          parameters,
          owned);
    } catch (RuntimeException | Error e) {
      new Plan(
              List.of(),
              Optional.empty(),
              Optional.empty(),
              List.of(),
              new LinkedHashMap<>(),
              owned)
          .close();
      throw e;
    }
  }

  private static String number(double x) {
    return Double.isNaN(x) ? "not known" : String.format(Locale.ROOT, "%.3g", x);
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
}
