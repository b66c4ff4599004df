package dev.fathom.world;

import dev.fathom.concepts.Compilation;
import dev.fathom.concepts.Dictionary;
import dev.fathom.concepts.Dictionary.Measure;
import dev.fathom.concepts.Reading;
import dev.fathom.concepts.map.ConceptMap;
import dev.fathom.concepts.map.ConceptMapResult;
import dev.fathom.concepts.map.Neighbours;
import dev.fathom.data.Concept;
import dev.fathom.evaluate.Provenances;
import dev.fathom.evaluate.Quantiles;
import dev.fathom.evaluate.RankTest;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Grid;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntConsumer;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;

/// Do directions of concepts find what is known of this world? Whether genders, peoples and
/// categories are told apart in texts about others than those they were read from; whether things
/// of one kind are each other's neighbours; and whether, of two models that differ in what was
/// planted, the directions differ in what was planted.
///
/// Where two models are compared, a thing is read against others of its kind: against all, its
/// direction is that of its kind, which both models have, and what was planted among occupations is
/// a small part of it.
public final class ConceptTrial {
  /// As many subjects of a kind are enough.
  public static final int MOST = 60;

  /// Read at three quarters of the depth, as the thesis does (layer 25 of 32).
  private static final double DEPTH = 0.75;

  private static final int NEAREST = 10;

  private ConceptTrial() {}

  /// How many concepts are read.
  ///
  /// @param most subjects of one kind
  public static int total(World world, int most) {
    var concepts = new WorldConcepts(world);
    return concepts.attributes().size() + 3 * concepts.subjects(most).size();
  }

  /// Tries.
  ///
  /// @param model that learnt the world
  /// @param twin that learnt the same with nothing planted
  /// @param most subjects of one kind, but all occupations and peoples
  /// @param folder for dictionaries; what is in it already is not read again
  /// @param progress is told how many concepts more are read
  public static ConceptTrialResult run(
      Transformer model,
      Transformer twin,
      Tokenizer tokenizer,
      World world,
      int most,
      Path folder,
      IntConsumer progress) {
    long began = System.nanoTime();
    var concepts = new WorldConcepts(world);
    List<Concept> attributes = concepts.attributes();
    List<Concept> subjects = concepts.subjects(most);
    var config =
        Compilation.Config.standard(model).withTemplate("{stimulus}").with(Reading.MEAN_DIFFERENCE);
    int layer = (int) (DEPTH * model.layers());
    var near = config.with(Compilation.Against.GROUP);
    try (var of = read(model, tokenizer, attributes, near, folder.resolve("attributes"), progress);
        var all =
            read(model, tokenizer, subjects, config, folder.resolve("subjects-" + most), progress);
        var base =
            read(model, tokenizer, subjects, near, folder.resolve("model-" + most), progress);
        var other =
            read(twin, tokenizer, subjects, near, folder.resolve("twin-" + most), progress)) {
      var settings = ConceptMap.Config.standard().withNearest(NEAREST);
      ConceptMapResult kinds = ConceptMap.of(all, layer, settings);
      ConceptMapResult map = ConceptMap.of(base, layer, other, settings);
      double[] changes = changes(map);
      double[] planted = some(changes, i -> isPlanted(map.groups().get(i)));
      double[] others = some(changes, i -> !isPlanted(map.groups().get(i)));
      double seconds = (System.nanoTime() - began) / 1e9;
      return new ConceptTrialResult(
          Provenances.of(
              model,
              seconds,
              "twin",
              twin.card().name(),
              "layer",
              Integer.toString(layer),
              "attributes",
              Integer.toString(attributes.size()),
              "subjects",
              Integer.toString(subjects.size())),
          separations(of, of.bestLayer()),
          kinds,
          purityOfMap(kinds),
          map,
          Arrays.stream(planted).average().orElseThrow(),
          Arrays.stream(others).average().orElseThrow(),
          RankTest.of(planted, others));
    }
  }

  private static Dictionary read(
      Transformer model,
      Tokenizer tokenizer,
      List<Concept> concepts,
      Compilation.Config config,
      Path folder,
      IntConsumer progress) {
    Compilation.run(model, tokenizer, concepts, concepts, config, folder, progress);
    return Dictionary.open(folder);
  }

  private static List<ConceptTrialResult.Separation> separations(Dictionary dictionary, int layer) {
    double[] auc = dictionary.measured(layer, Measure.AUC);
    double[] shuffled = dictionary.measured(layer, Measure.SHUFFLED);
    var all = new ArrayList<ConceptTrialResult.Separation>();
    for (Map.Entry<String, List<Integer>> group : dictionary.groups().entrySet()) {
      all.add(
          new ConceptTrialResult.Separation(
              group.getKey(),
              layer,
              group.getValue().size(),
              median(auc, group.getValue()),
              median(shuffled, group.getValue())));
    }
    return all;
  }

  private static double median(double[] values, List<Integer> of) {
    return Quantiles.median(of.stream().mapToDouble(i -> values[i]).toArray());
  }

  private static boolean isPlanted(String group) {
    return group.equals(WorldConcepts.PLANTED) || group.equals(WorldConcepts.PEOPLE);
  }

  /// How far each direction turned: `1 − cos`.
  private static double[] changes(ConceptMapResult map) {
    Grid cosines = map.change().orElseThrow().cosines().orElseThrow();
    return IntStream.range(0, map.names().size()).mapToDouble(i -> 1 - cosines.at(i)).toArray();
  }

  private static double[] some(double[] values, IntPredicate which) {
    return IntStream.range(0, values.length).filter(which).mapToDouble(i -> values[i]).toArray();
  }

  /// The share of the nearest on the drawn map of the first model that are of the same group, over
  /// the share that chance would have.
  private static double purityOfMap(ConceptMapResult map) {
    Grid places = map.sides().getFirst().places();
    int n = map.names().size();
    double share = 0;
    double chance = 0;
    try (var scope = Scope.withoutGradients()) {
      double[] flat = new double[2 * n];
      Arrays.setAll(flat, i -> places.at(i / 2, i % 2));
      var near = Neighbours.of(Tensor.of(flat, n, 2), NEAREST, Neighbours.Metric.EUCLIDEAN);
      for (int i = 0; i < n; i++) {
        String own = map.groups().get(i);
        long members = map.groups().stream().filter(own::equals).count();
        long same = near.of(i).stream().filter(j -> map.groups().get(j).equals(own)).count();
        share += (double) same / near.each();
        chance += (members - 1.0) / (n - 1);
      }
    }
    return share / chance;
  }

  static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
