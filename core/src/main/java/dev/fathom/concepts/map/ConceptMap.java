package dev.fathom.concepts.map;

import dev.fathom.Version;
import dev.fathom.concepts.Dictionary;
import dev.fathom.concepts.Dispersion;
import dev.fathom.concepts.map.ConceptMapResult.Change;
import dev.fathom.concepts.map.ConceptMapResult.GroupChange;
import dev.fathom.concepts.map.ConceptMapResult.Property;
import dev.fathom.concepts.map.ConceptMapResult.Purity;
import dev.fathom.concepts.map.ConceptMapResult.Side;
import dev.fathom.concepts.map.Neighbours.Metric;
import dev.fathom.concepts.map.Resampling.Sampled;
import dev.fathom.evaluate.RankTest;
import dev.fathom.evaluate.bias.Estimate;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Memory;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Which concepts lie near each other in a model, and what did training change? The directions of a
/// [Dictionary] at one layer as points of a plane, and beside the picture numbers of the space they
/// come from; of two models, concepts are matched by their names.
///
/// ```java
/// try (var base = Dictionary.open(one); var tuned = Dictionary.open(other)) {
///   var config = ConceptMap.Config.standard().around("love");
///   ConceptMapResult result = ConceptMap.of(base, base.bestLayer(), tuned, config);
/// }
/// ```
///
/// Where the change is, a rank test says: for each group, whether `1 − cos(v_base, v_tuned)` of its
/// concepts tends to be greater than that of all others ([RankTest]).
///
/// It misleads: on the picture, distances between groups, sizes of groups and empty room mean
/// nothing, and maps of two models are comparable only as far as [Mode] makes them. Cosines between
/// two models mean something only if one descends from the other: else nothing says that their axes
/// are the same. A direction read from few texts moves when the texts change: compare the change
/// with what [Dictionary.Measure#STABILITY] says.
public final class ConceptMap {
  private static final int ZOOM = 20;

  /// Directions that differ by less are the same: ranks would order their rounding.
  private static final double ROUNDING = 1e-9;

  private static final int SHUFFLES = 100;

  private ConceptMap() {}

  /// How two models come onto one map.
  public enum Mode {
    /// Each has its own map; the second is laid over the first by [Procrustes].
    SEPARATE,
    /// One map of both: a concept's two points are near where its directions are. Both need the
    /// same width.
    JOINT,
    /// The map of the first; the second's are put where their neighbours among the first are. It
    /// shows where a concept went, not how the second's lie to each other. Same width.
    TRANSFORM
  }

  /// How to map.
  ///
  /// @param umap settings of the map, whose neighbours are also those that two models are compared
  ///   by, and whose seed is that of everything random
  /// @param mode empty for [Mode#JOINT] where both widths are the same, and [Mode#SEPARATE] where
  ///   not
  /// @param around a concept to look at closely
  /// @param queries concepts that clusters are made around; none for the dictionary's groups
  /// @param percentile of the cosines of queries with all concepts, above which a concept belongs
  ///   to its nearest query
  /// @param nearest neighbours of each concept that are listed, and looked at for groups
  /// @param resamples draws of concepts for the intervals
  public record Config(
      Projection projection,
      Umap.Config umap,
      Optional<Mode> mode,
      Optional<String> around,
      List<String> queries,
      double percentile,
      int nearest,
      int resamples) {
    public Config {
      queries = List.copyOf(queries);
      if (!(percentile >= 0 && percentile < 100)) {
        throw new IllegalArgumentException(
            "a percentile is from 0 to below 100, found " + percentile);
      }
      if (nearest < 1 || resamples < 100) {
        throw new IllegalArgumentException(
            "a map takes at least 1 neighbour to list and 100 resamples, found %d and %d"
                .formatted(nearest, resamples));
      }
    }

    /// UMAP of the dictionary's groups, 5 neighbours listed, 1000 resamples.
    public static Config standard() {
      return new Config(
          Projection.UMAP,
          Umap.Config.standard(),
          Optional.empty(),
          Optional.empty(),
          List.of(),
          99,
          5,
          1000);
    }

    public Config with(Projection projection) {
      return new Config(projection, umap, mode, around, queries, percentile, nearest, resamples);
    }

    public Config with(Umap.Config umap) {
      return new Config(projection, umap, mode, around, queries, percentile, nearest, resamples);
    }

    public Config with(Mode mode) {
      return new Config(
          projection, umap, Optional.of(mode), around, queries, percentile, nearest, resamples);
    }

    public Config around(String concept) {
      return new Config(
          projection, umap, mode, Optional.of(concept), queries, percentile, nearest, resamples);
    }

    public Config withQueries(List<String> concepts, double percentile) {
      return new Config(projection, umap, mode, around, concepts, percentile, nearest, resamples);
    }

    public Config withNearest(int count) {
      return new Config(projection, umap, mode, around, queries, percentile, count, resamples);
    }

    public Config withResamples(int count) {
      return new Config(projection, umap, mode, around, queries, percentile, nearest, count);
    }
  }

  /// Of one model.
  ///
  /// @throws IllegalArgumentException if the layer was not read, there are fewer than 3 directions,
  ///   or a concept that is asked for is not there
  public static ConceptMapResult of(Dictionary dictionary, int layer, Config config) {
    long began = System.nanoTime();
    try (var scope = Scope.withoutGradients()) {
      Directions all = Directions.of(dictionary, layer);
      var left = left(all, dictionary, Set.of());
      var made = new Making(dictionary, List.of(all), config);
      return made.result(Placement.of(all.unit(), config), Optional.empty(), left, began);
    }
  }

  /// Of two models at the same layer.
  public static ConceptMapResult of(Dictionary base, int layer, Dictionary tuned, Config config) {
    return of(base, layer, tuned, layer, config);
  }

  /// Of two models.
  ///
  /// @param base the one that changes are counted from
  /// @param layer of it
  /// @param tunedLayer of the other
  /// @throws IllegalArgumentException as above, or if they share fewer than 3 concepts, or their
  ///   widths differ and the mode needs them to be the same
  public static ConceptMapResult of(
      Dictionary base, int layer, Dictionary tuned, int tunedLayer, Config config) {
    long began = System.nanoTime();
    try (var scope = Scope.withoutGradients()) {
      Directions ofBase = Directions.of(base, layer);
      Directions ofTuned = Directions.of(tuned, tunedLayer);
      Directions one = ofBase.among(ofTuned.names());
      Directions other = ofTuned.as(one);
      var left =
          left(
              one, base, Set.copyOf(tuned.entries().stream().map(Dictionary.Entry::name).toList()));
      Mode mode = mode(one, other, config);
      var made = new Making(base, List.of(one, other), config);
      return made.result(
          Placement.of(one.unit(), other.unit(), mode, config), Optional.of(mode), left, began);
    }
  }

  /// Concepts that have little to do with each other, to make clusters around: the most central
  /// one, and then each time the one that is least like any before.
  public static List<String> distinct(Dictionary dictionary, int layer, int count) {
    try (var scope = Scope.withoutGradients()) {
      Directions all = Directions.of(dictionary, layer);
      return Clusters.distinct(all.unit(), count).stream().map(all.names()::get).toList();
    }
  }

  private static Mode mode(Directions one, Directions other, Config config) {
    boolean same = one.width() == other.width();
    Mode mode = config.mode.orElse(same ? Mode.JOINT : Mode.SEPARATE);
    if (!same && mode != Mode.SEPARATE) {
      throw new IllegalArgumentException(
          "%s and %s have directions of %d and %d numbers: a %s map needs the same, so choose separate"
              .formatted(
                  one.title(),
                  other.title(),
                  one.width(),
                  other.width(),
                  mode.name().toLowerCase(Locale.ROOT)));
    }
    return mode;
  }

  /// Concepts that are not on the map.
  private static List<String> left(Directions shown, Dictionary dictionary, Set<String> others) {
    var names = new TreeSet<String>(others);
    dictionary.entries().forEach(entry -> names.add(entry.name()));
    names.removeAll(Set.copyOf(shown.names()));
    return List.copyOf(names);
  }

  /// One map in the making.
  private static final class Making {
    private final Config config;
    private final Dictionary dictionary;
    private final List<Directions> sides;
    private final List<String> names;
    private final Clusters clusters;
    private final int[] members;
    private final Resampling resampling;
    private final List<Neighbours> near = new ArrayList<>();

    Making(Dictionary dictionary, List<Directions> sides, Config config) {
      this.dictionary = dictionary;
      this.sides = sides;
      this.config = config;
      Directions first = sides.getFirst();
      names = first.names();
      if (names.size() < 3) {
        throw new IllegalArgumentException(
            "a map takes at least 3 concepts with a direction%s, found %d"
                .formatted(sides.size() > 1 ? " in both dictionaries" : "", names.size()));
      }
      config.around.ifPresent(this::place);
      clusters =
          config.queries.isEmpty()
              ? Clusters.ofGroups(first.groups())
              : Clusters.around(
                  first.unit(),
                  names,
                  config.queries.stream().map(this::place).distinct().toList(),
                  config.percentile);
      members = clusters.members();
      resampling = Resampling.of(names.size(), config.resamples, config.umap.seed());
      int most = Math.max(Math.max(ZOOM, config.nearest), config.umap.neighbours());
      sides.forEach(side -> near.add(Neighbours.of(side.unit(), most, Metric.COSINE)));
    }

    /// The place of a concept that is asked for.
    private int place(String name) {
      int place = names.indexOf(name);
      if (place < 0) {
        int row = dictionary.place(name); // or says what there is instead
        throw new IllegalArgumentException(
            "the concept '%s' has no direction %s"
                .formatted(
                    dictionary.entries().get(row).name(),
                    sides.size() > 1 ? "in both dictionaries" : "at this layer"));
      }
      return place;
    }

    ConceptMapResult result(
        Placement placement, Optional<Mode> mode, List<String> left, long began) {
      var sampled = new ArrayList<Map<Property, Sampled>>();
      var found = new ArrayList<Side>();
      for (int s = 0; s < sides.size(); s++) {
        Map<Property, Sampled> numbers = numbers(s);
        sampled.add(numbers);
        found.add(side(s, placement.places().get(s), numbers));
      }
      Optional<Change> change =
          mode.map(own -> change(own, placement, sampled.get(0), sampled.get(1)));
      return new ConceptMapResult(
          provenance(mode, began),
          config,
          names,
          IntStream.range(0, names.size()).mapToObj(clusters::name).toList(),
          found,
          change,
          left);
    }

    private Side side(int s, double[][] places, Map<Property, Sampled> numbers) {
      Directions own = sides.get(s);
      int n = names.size();
      int k = Math.min(config.umap.neighbours(), (n - 1) / 2);
      Axis concepts = Axis.of("concept", names);
      float[] flat = new float[2 * n];
      for (int i = 0; i < n; i++) {
        flat[2 * i] = (float) places[i][0];
        flat[2 * i + 1] = (float) places[i][1];
      }
      Neighbours all = near.get(s);
      Axis ranks = Axis.index("rank", all.each());
      float[] cosines = new float[all.distances().length];
      for (int e = 0; e < cosines.length; e++) {
        cosines[e] = 1 - all.distances()[e];
      }
      return new Side(
          own.title(),
          own.layer(),
          Grid.real(List.of(concepts, Axis.of("coordinate", List.of("x", "y"))), flat),
          Grid.integer(
              List.of(concepts, ranks), Arrays.stream(all.indices()).asLongStream().toArray()),
          Grid.real(List.of(concepts, ranks), cosines),
          Trust.of(own.unit(), places, k, Metric.COSINE),
          estimates(numbers),
          grouped() ? Optional.of(purity(all, numbers)) : Optional.empty());
    }

    private static SequencedMap<Property, Estimate> estimates(Map<Property, Sampled> numbers) {
      var estimates = new LinkedHashMap<Property, Estimate>();
      numbers.forEach((property, sampled) -> estimates.put(property, sampled.estimate()));
      return estimates;
    }

    /// Whether it makes sense to ask how far clusters lie apart: there are two, and one of them has
    /// two members.
    private boolean grouped() {
      int count = clusters.names().size();
      return count > 1 && members.length > count;
    }

    // -------------------------------------------------------------- numbers of one model

    private Map<Property, Sampled> numbers(int s) {
      Tensor unit = sides.get(s).unit();
      var numbers = new EnumMap<Property, Sampled>(Property.class);
      numbers.put(Property.MEAN_COSINE, resampling.meanCosine(unit));
      List<Sampled> spectrum = resampling.spectrum(unit);
      numbers.put(Property.EFFECTIVE_RANK, spectrum.get(0));
      numbers.put(Property.ISOTROPY, spectrum.get(1));
      if (grouped()) {
        Resampling some = resampling.only(members);
        int[] of = IntStream.of(members).map(i -> clusters.of()[i]).toArray();
        try (var scope = Scope.withoutGradients()) {
          Tensor rows = unit.indexSelect(0, IntStream.of(members).asLongStream().toArray());
          numbers.put(Property.SILHOUETTE, some.mean(Dispersion.silhouettes(rows, of), -1, 1));
          numbers.put(Property.SEPARATION, some.separation(rows, of));
        }
        numbers.put(Property.PURITY, purity(near.get(s), clusters.of(), some));
      }
      return numbers;
    }

    /// The share of the nearest of the same cluster, over the share that chance would have.
    private Sampled purity(Neighbours all, int[] of, Resampling some) {
      int n = names.size();
      int k = Math.min(config.nearest, all.each());
      int[] sizes = new int[clusters.names().size()];
      IntStream.of(members).forEach(i -> sizes[of[i]]++);
      double[] share = new double[members.length];
      double[] chance = new double[members.length];
      for (int at = 0; at < members.length; at++) {
        int own = of[members[at]];
        for (int e = 0; e < k; e++) {
          share[at] += of[all.indices()[members[at] * all.each() + e]] == own ? 1.0 / k : 0;
        }
        chance[at] = (sizes[own] - 1.0) / (n - 1);
      }
      return some.ratio(share, chance, 0, Double.POSITIVE_INFINITY);
    }

    /// The same of clusters whose members were dealt anew.
    private Purity purity(Neighbours all, Map<Property, Sampled> numbers) {
      var random = new Random(config.umap.seed());
      var none = new Resampling(new double[0][]);
      List<Integer> dealt = new ArrayList<>(IntStream.of(members).boxed().toList());
      double[] shuffled = new double[SHUFFLES];
      for (int turn = 0; turn < SHUFFLES; turn++) {
        Collections.shuffle(dealt, random);
        int[] of = clusters.of().clone();
        for (int at = 0; at < members.length; at++) {
          of[members[at]] = clusters.of()[dealt.get(at)];
        }
        shuffled[turn] = purity(all, of, none).value();
      }
      double mean = Arrays.stream(shuffled).average().orElseThrow();
      return new Purity(
          Math.min(config.nearest, all.each()),
          Objects.requireNonNull(estimates(numbers).get(Property.PURITY)),
          Estimate.of(mean, shuffled));
    }

    // -------------------------------------------------------------- what changed

    private Change change(
        Mode mode,
        Placement placement,
        Map<Property, Sampled> before,
        Map<Property, Sampled> after) {
      int n = names.size();
      int k = Math.min(config.umap.neighbours(), n - 1);
      Tensor one = sides.get(0).unit();
      Tensor other = sides.get(1).unit();
      double[] kept = kept(near.get(0).nearest(k), near.get(1).nearest(k));
      var numbers = new LinkedHashMap<Property, Estimate>();
      numbers.put(Property.KEPT, resampling.mean(kept, 0, 1).estimate());
      numbers.put(Property.SIMILARITY, resampling.similarity(one, other).estimate());
      double @Nullable [] cosines = null;
      if (sides.get(0).width() == sides.get(1).width()) {
        try (var scope = Scope.withoutGradients()) {
          cosines = one.mul(other).sum(1, false).toDoubles();
        }
        numbers.put(Property.COSINE, resampling.mean(cosines, -1, 1).estimate());
      }
      var differences = new LinkedHashMap<Property, Estimate>();
      before.forEach((property, number) ->
          differences.put(property, after.getOrDefault(property, number).minus(number).estimate()));
      return new Change(
          mode,
          placement.distance(),
          k,
          numbers,
          differences,
          vector(kept),
          Optional.ofNullable(cosines).map(this::vector),
          cosines == null ? List.of() : groups(cosines));
    }

    private Grid vector(double[] values) {
      float[] narrow = new float[values.length];
      for (int i = 0; i < narrow.length; i++) {
        narrow[i] = (float) values[i];
      }
      return Grid.vector(Axis.of("concept", names), narrow);
    }

    /// The share of each concept's neighbours that are so in both.
    private static double[] kept(Neighbours before, Neighbours after) {
      double[] kept = new double[before.points()];
      for (int i = 0; i < kept.length; i++) {
        var both = new ArrayList<>(before.of(i));
        both.retainAll(Set.copyOf(after.of(i)));
        kept[i] = (double) both.size() / before.each();
      }
      return kept;
    }

    /// The rank test of each cluster against all other concepts, smallest p first, with Holm's
    /// correction for so many tests.
    private List<GroupChange> groups(double[] cosines) {
      var found = new ArrayList<GroupChange>();
      for (int g = 0; g < clusters.names().size(); g++) {
        int cluster = g;
        double[] own = change(cosines, i -> clusters.of()[i] == cluster);
        double[] others = change(cosines, i -> clusters.of()[i] != cluster);
        if (others.length > 0) {
          found.add(
              new GroupChange(
                  clusters.names().get(g),
                  own.length,
                  Arrays.stream(own).average().orElseThrow(),
                  Arrays.stream(others).average().orElseThrow(),
                  RankTest.of(own, others),
                  1));
        }
      }
      found.sort((a, b) -> Double.compare(a.test().p(), b.test().p()));
      double least = 0;
      for (int i = 0; i < found.size(); i++) {
        least = Math.max(least, Math.min(1, (found.size() - i) * found.get(i).test().p()));
        found.set(i, found.get(i).withAdjusted(least));
      }
      return found;
    }

    private static double[] change(double[] cosines, IntPredicate which) {
      return IntStream.range(0, cosines.length)
          .filter(which)
          .mapToDouble(i -> Math.rint((1 - cosines[i]) / ROUNDING) * ROUNDING)
          .toArray();
    }

    // -------------------------------------------------------------- origin

    private Provenance provenance(Optional<Mode> mode, long began) {
      var parameters = new LinkedHashMap<String, String>();
      parameters.put("site", dictionary.site().text());
      parameters.put(
          "layer",
          sides.stream()
              .map(side -> String.valueOf(side.layer()))
              .distinct()
              .reduce((a, b) -> a + ", " + b)
              .orElseThrow());
      parameters.put("projection", config.projection.name().toLowerCase(Locale.ROOT));
      mode.ifPresent(own -> parameters.put("mode", own.name().toLowerCase(Locale.ROOT)));
      parameters.put("neighbours", String.valueOf(config.umap.neighbours()));
      parameters.put("nearest", String.valueOf(config.nearest));
      if (!config.queries.isEmpty()) {
        parameters.put("queries", String.join(", ", config.queries));
        parameters.put("percentile", String.valueOf(config.percentile));
      }
      parameters.put("resamples", String.valueOf(config.resamples));
      return new Provenance(
          String.join(" and ", sides.stream().map(Directions::title).toList()),
          dictionary.card().baseSha256(),
          Version.current(),
          List.of(),
          List.of(),
          parameters,
          OptionalLong.of(config.umap.seed()),
          DType.F32.name().toLowerCase(Locale.ROOT),
          (System.nanoTime() - began) / 1e9,
          Memory.peakBytes());
    }
  }
}
