package dev.fathom.cli;

import dev.fathom.align.probe.Probes;
import dev.fathom.cli.SteeringOptions.How;
import dev.fathom.concepts.ConceptAtoms;
import dev.fathom.concepts.Dictionary;
import dev.fathom.concepts.Reading;
import dev.fathom.concepts.decompose.ElasticNet;
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
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/// Finds what [SteeringOptions] ask for on a model.
///
/// @param seed of what is drawn
/// @param texts rows of neutral text, on which spreads are measured that are not known
record SteeringPlanner(
    SteeringOptions options,
    LoadedModel model,
    Console console,
    JsonOptions output,
    long seed,
    List<int[]> texts) {
  private static final int MOST_HEADS_SHOWN = 8;
  private static final String ITSELF = "the direction that steers";
  private static final String OTHERS = "the direction of the other half of the pairs";

  /// Finds it.
  SteeringPlan plan() {
    return switch (options.how()) {
      case heads -> heads();
      case remove -> removal(options.dictionary().orElseThrow());
      case add, project, writes -> direction();
    };
  }

  private SteeringPlan direction() {
    if (options.pairs().isPresent()) {
      return ofPairs(options.pairs().get());
    }
    if (options.dictionary().isPresent()) {
      try (var dictionary = Dictionary.open(options.dictionary().get())) {
        dictionary.requireModel(transformer());
        int best = dictionary.bestLayer();
        return along(
            SteeringVector.of(dictionary, options.concepts().getFirst(), askedOr(best)), best);
      }
    }
    if (options.probe().isPresent()) {
      Probes probes = Probes.load(options.probe().get(), transformer());
      int best = best(probes);
      return along(
          SteeringVector.of(probes, options.title(), askedOr(best)).measured(transformer(), texts),
          best);
    }
    var vector = ControlVectorFile.read(options.vector().orElseThrow(), transformer());
    List<Integer> chosen = options.layers().isPresent() ? asked() : vector.layers();
    return along(vector.only(chosen), chosen.get(chosen.size() / 2));
  }

  private Transformer transformer() {
    return model.transformer();
  }

  /// The layers asked for, or all.
  private List<Integer> asked() {
    return SiteAddress.parse(Kind.RESID_POST.text() + "." + options.layers().orElse("all"))
        .slices(transformer())
        .stream()
        .map(slice -> slice.site().layer())
        .toList();
  }

  private List<Integer> askedOr(int layer) {
    return options.layers().isPresent() ? asked() : List.of(layer);
  }

  // ---------------------------------------------------------------- one direction a layer

  /// @param best the layer whose direction judges, and is taken out everywhere; the first that is
  ///   asked for instead where it is not among them
  private SteeringPlan along(SteeringVector chosen, int best) {
    int layer = chosen.layers().contains(best) ? best : chosen.layers().getFirst();
    return along(chosen, layer, judge(chosen, layer, ITSELF), List.of());
  }

  private SteeringPlan along(SteeringVector chosen, int best, Judge own, List<String> notes) {
    boolean everywhere = options.layers().isEmpty() && options.how() != How.add;
    SteeringVector used = everywhere ? chosen.everywhere(best, asked()) : chosen;
    List<Steering> steerings =
        switch (options.how()) {
          case project -> used.projectedOut();
          case writes -> used.unwritten();
          case add, remove, heads -> used.added(1);
        };
    var parameters = new LinkedHashMap<>(used.card().parameters());
    parameters.put("method", used.card().method());
    parameters.put("concept", used.name());
    parameters.put("how", options.how().name());
    var said = new ArrayList<>(notes);
    if (options.how() == How.add && used.layers().size() == 1) {
      said.add(
          "Steering at layer %d; a step of strength 1 is %s long there."
              .formatted(best, number(used.at(best).spread())));
    }
    return new SteeringPlan(
        steerings, Optional.of(used), judgedOr(own), said, parameters, List.of());
  }

  private SteeringPlan ofPairs(Path file) {
    Contrast contrast = contrast(ContrastFile.read(file), asked());
    int best = contrast.bestLayer(transformer().layers());
    SteeringVector all = contrast.vector();
    String note =
        "Along layer %d's direction both sides of the pairs are %s spreads apart, the step that contrastive activation addition calls 1; on held-out pairs its AUC is %s."
            .formatted(
                best,
                number(contrast.gap().getOrDefault(best, Double.NaN)),
                number(contrast.auc().getOrDefault(best, Double.NaN)));
    return along(
        options.layers().isEmpty() ? all.only(List.of(best)) : all,
        best,
        ofOthers(contrast, best).orElseGet(() -> judge(all, best, ITSELF)),
        List.of(note));
  }

  private Contrast contrast(List<ContrastPair> pairs, List<Integer> layers) {
    try (var progress = output.progress(console, "reading", 2L * pairs.size())) {
      return Contrast.of(
          transformer(),
          model.tokenizer(),
          pairs,
          options.title(),
          Contrast.Config.of(layers).with(options.reduction()).withSeed(seed),
          progress::advance);
    }
  }

  // ---------------------------------------------------------------- judges

  private static Judge judge(SteeringVector vector, int layer, String called) {
    return new Judge.Along(Site.of(vector.site(), layer), vector.at(layer), called);
  }

  private static Optional<Judge> ofOthers(Contrast contrast, int layer) {
    return contrast.judge().map(other -> judge(other, layer, OTHERS));
  }

  /// The judge that was asked for, or this one.
  private Judge judgedOr(Judge own) {
    return options.judge().map(this::judge).orElse(own);
  }

  private Judge judge(Path place) {
    String called = "a direction of " + place.getFileName();
    if (!Files.isDirectory(place)) {
      Probes probes = Probes.load(place, transformer());
      int layer = best(probes);
      var vector = SteeringVector.of(probes, called, List.of(layer));
      return judge(vector.measured(transformer(), texts), layer, called);
    }
    if (options.concepts().isEmpty()) {
      throw new IllegalArgumentException(
          "--judge %s is a dictionary, but no --concept says which of its concepts is meant: give a file of probes."
              .formatted(place));
    }
    try (var dictionary = Dictionary.open(place)) {
      dictionary.requireModel(transformer());
      int layer = dictionary.bestLayer();
      return judge(
          SteeringVector.of(dictionary, options.concepts().getFirst(), List.of(layer)),
          layer,
          called);
    }
  }

  /// The layer whose probe knows most; of equal ones that nearest to the middle.
  private int best(Probes probes) {
    List<Integer> layers = SteeringVector.layers(probes);
    Kind kind = probes.probes().sequencedKeySet().getFirst().site().kind();
    double middle = (transformer().layers() - 1) / 2.0;
    return layers.stream()
        .min(
            Comparator.<Integer>comparingDouble(layer -> -auc(probes, Slice.of(kind, layer)))
                .thenComparingDouble(layer -> Math.abs(layer - middle)))
        .orElseThrow();
  }

  private static double auc(Probes probes, Slice slice) {
    List<Double> own = probes.aucs().getOrDefault(slice, List.of());
    return own.isEmpty() || own.getFirst().isNaN() ? 0 : own.getFirst();
  }

  // ---------------------------------------------------------------- heads and concepts

  private SteeringPlan heads() {
    List<ContrastPair> pairs = ContrastFile.read(options.pairs().orElseThrow());
    HeadProbes found;
    try (var progress = output.progress(console, "probing heads", 2L * pairs.size())) {
      found =
          HeadProbes.of(
              transformer(),
              model.tokenizer(),
              pairs,
              asked(),
              Reading.MEAN_DIFFERENCE,
              seed,
              progress::advance);
    }
    List<HeadProbes.Head> chosen = found.best(options.heads());
    String note =
        "Shifting %d of %d heads, right on %s to %s of %d held-out texts: %s%s."
            .formatted(
                chosen.size(),
                found.heads().size(),
                number(chosen.getLast().accuracy()),
                number(chosen.getFirst().accuracy()),
                found.held(),
                String.join(
                    ", ", chosen.stream().limit(MOST_HEADS_SHOWN).map(Object::toString).toList()),
                chosen.size() > MOST_HEADS_SHOWN ? ", …" : "");
    var parameters = new LinkedHashMap<String, String>();
    parameters.put("method", "inference-time intervention");
    parameters.put("concept", options.title());
    parameters.put("how", options.how().name());
    parameters.put("heads", Integer.toString(chosen.size()));
    parameters.put("pairs", Integer.toString(pairs.size()));
    return new SteeringPlan(
        found.shifted(chosen.size(), 1),
        Optional.empty(),
        judgeOfHeads(pairs),
        List.of(note),
        parameters,
        List.of());
  }

  /// What the stream says of texts, where no other judge was asked for.
  private Judge judgeOfHeads(List<ContrastPair> pairs) {
    if (options.judge().isPresent()) {
      return judge(options.judge().get());
    }
    Contrast contrast = contrast(pairs, allLayers());
    int best = contrast.bestLayer(transformer().layers());
    return ofOthers(contrast, best)
        .orElseGet(() -> judge(contrast.vector(), best, "the mean difference of the pairs"));
  }

  private List<Integer> allLayers() {
    var layers = new ArrayList<Integer>();
    for (int layer = 0; layer < transformer().layers(); layer++) {
      layers.add(layer);
    }
    return layers;
  }

  private SteeringPlan removal(Path place) {
    var owned = new ArrayList<ConceptAtoms>();
    try (var dictionary = Dictionary.open(place)) {
      dictionary.requireModel(transformer());
      List<String> concepts = options.concepts();
      int best = dictionary.bestLayer();
      var steerings = new ArrayList<Steering>();
      for (int layer : askedOr(best)) {
        owned.add(ConceptAtoms.of(dictionary, layer, false));
        steerings.add(
            new Steering.Remove(
                Site.of(dictionary.site(), layer),
                owned.getLast(),
                owned.getLast().places(concepts),
                ElasticNet.standard(),
                1));
      }
      var first = SteeringVector.of(dictionary, concepts.getFirst(), List.of(best));
      var parameters = new LinkedHashMap<String, String>();
      parameters.put("how", options.how().name());
      parameters.put("concept", String.join(", ", concepts));
      String note =
          "Taking %s off activations at %s, taken apart into %d concepts (%s)."
              .formatted(
                  String.join(", ", concepts),
                  String.join(", ", steerings.stream().map(s -> s.site().toString()).toList()),
                  dictionary.count(),
                  ElasticNet.standard().summary());
      return new SteeringPlan(
          steerings,
          Optional.empty(),
          judgedOr(judge(first, best, "the first of the concepts that are removed")),
          List.of(note),
          parameters,
          owned);
    } catch (RuntimeException | Error e) {
      owned.forEach(ConceptAtoms::close);
      throw e;
    }
  }

  private static String number(double x) {
    return Double.isNaN(x) ? "not known" : String.format(Locale.ROOT, "%.3g", x);
  }
}
