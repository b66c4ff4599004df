package dev.fathom.concepts.map;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.concepts.Dictionary;
import dev.fathom.concepts.DirectionFixtures;
import dev.fathom.concepts.map.ConceptMap.Config;
import dev.fathom.concepts.map.ConceptMap.Mode;
import dev.fathom.concepts.map.ConceptMapResult.Change;
import dev.fathom.concepts.map.ConceptMapResult.GroupChange;
import dev.fathom.concepts.map.ConceptMapResult.Property;
import dev.fathom.concepts.map.ConceptMapResult.Side;
import dev.fathom.evaluate.bias.Estimate;
import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Report;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConceptMapTest {
  private static final int GROUPS = 5;
  private static final int EACH = 8;
  private static final int WIDTH = 32;
  private static final int M = GROUPS * EACH;
  private static final List<String> NAMES = IntStream.range(0, M).mapToObj(i -> "c" + i).toList();
  private static final List<String> KINDS =
      IntStream.range(0, M).mapToObj(i -> "group " + i % GROUPS).toList();
  private static final Config QUICK =
      Config.standard().with(Umap.Config.standard().withEpochs(60)).withResamples(200);

  @TempDir private Path folder;
  private int written;

  /// Groups around five centres.
  private static double[][] planted(long seed) {
    var random = new Random(seed);
    double[][] centres = new double[GROUPS][WIDTH];
    for (double[] centre : centres) {
      Arrays.setAll(centre, _ -> 1.5 * random.nextGaussian());
    }
    double[][] rows = new double[M][WIDTH];
    for (int i = 0; i < M; i++) {
      double[] centre = centres[i % GROUPS];
      Arrays.setAll(rows[i], c -> centre[c] + random.nextGaussian());
    }
    return rows;
  }

  private static double[][] rotated(double[][] rows) {
    try (var scope = Scope.withoutGradients()) {
      Tensor x = Tensor.ofRows(List.of(planted(9))).narrow(0, 0, WIDTH);
      Tensor turn = x.matmul(x.transpose(0, 1)).eigen().vectors();
      return Tensor.ofRows(List.of(rows)).matmul(turn).toRows().toArray(double[][]::new);
    }
  }

  private Dictionary dictionary(String model, double[][] rows) {
    return dictionary(model, NAMES, KINDS, rows);
  }

  private Dictionary dictionary(
      String model, List<String> names, List<String> groups, double[][] rows) {
    try (var scope = Scope.withoutGradients()) {
      return DirectionFixtures.write(
          folder.resolve("d" + written++), model, names, groups, Tensor.ofRows(List.of(rows)));
    }
  }

  private static ConceptMapResult two(Dictionary base, Dictionary tuned, Config config) {
    return ConceptMap.of(base, DirectionFixtures.LAYER, tuned, config);
  }

  private static void isOne(Estimate estimate) {
    assertThat(estimate.value()).isCloseTo(1, within(1e-6));
    assertThat(estimate.low()).isCloseTo(1, within(1e-6));
    assertThat(estimate.high()).isCloseTo(1, within(1e-6));
  }

  // ---------------------------------------------------------------- one model

  @Test
  void plantedGroupsAreNeighboursAndShuffledOnesAreNot() {
    try (var base = dictionary("model", planted(1))) {
      ConceptMapResult result =
          ConceptMap.of(
              base,
              DirectionFixtures.LAYER,
              QUICK.with(Umap.Config.standard().withNeighbours(EACH - 1)));
      Side side = result.sides().getFirst();
      var purity = side.purity().orElseThrow();
      double most = (M - 1.0) / (EACH - 1);
      assertThat(purity.nearest()).isEqualTo(5);
      assertThat(purity.ratio().value()).isBetween(0.9 * most, most + 1e-9);
      assertThat(purity.ratio().low()).isLessThanOrEqualTo(purity.ratio().value());
      assertThat(purity.shuffled().value()).isBetween(0.8, 1.2);
      assertThat(side.trust()).isGreaterThan(0.9);
      assertThat(result.found()).first().asString().isEqualTo("40 concepts of 5 groups.");
      assertThat(result.change()).isEmpty();
      for (int i = 0; i < M; i++) {
        assertThat(side.neighbours().at(i, 0) % GROUPS).isEqualTo(i % GROUPS);
      }
    }
  }

  @Test
  void theSameSeedGivesTheSameAndAnotherAnother() {
    try (var base = dictionary("model", planted(2))) {
      var once = ConceptMap.of(base, DirectionFixtures.LAYER, QUICK);
      var again = ConceptMap.of(base, DirectionFixtures.LAYER, QUICK);
      assertThat(again.arrays()).isEqualTo(once.arrays());
      var other =
          ConceptMap.of(
              base,
              DirectionFixtures.LAYER,
              QUICK.with(Umap.Config.standard().withEpochs(60).withSeed(3)));
      assertThat(other.sides().getFirst().places()).isNotEqualTo(once.sides().getFirst().places());
      assertThat(other.sides().getFirst().cosines()).isEqualTo(once.sides().getFirst().cosines());
    }
  }

  @Test
  void queriesDrawTheNearestToThem() {
    try (var base = dictionary("model", planted(3))) {
      var config = QUICK.withQueries(List.of("c0", "c1"), 85);
      ConceptMapResult result = ConceptMap.of(base, DirectionFixtures.LAYER, config);
      assertThat(result.groups().get(0)).isEqualTo("c0");
      assertThat(result.groups().get(1)).isEqualTo("c1");
      for (int i = 0; i < M; i++) {
        if (!result.groups().get(i).isEmpty()) {
          assertThat(result.groups().get(i)).isEqualTo("c" + i % GROUPS);
        }
      }
      assertThat(result.groups().stream().filter(g -> !g.isEmpty()).count()).isBetween(8L, 14L);
      var none = QUICK.withQueries(List.of("c0", "c1"), 99.9);
      assertThat(ConceptMap.of(base, DirectionFixtures.LAYER, none).groups())
          .filteredOn(g -> !g.isEmpty())
          .hasSize(3); // the one pair at the top, and the queries
    }
  }

  @Test
  void theWindowNamesTheNearestByCosine() {
    try (var base = dictionary("model", planted(4))) {
      ConceptMapResult result = ConceptMap.of(base, DirectionFixtures.LAYER, QUICK.around("c7"));
      var zoom = (View.Scatter) new ConceptMapPictures(result).zooms().getFirst();
      assertThat(zoom.named()).hasSize(14).contains("c7");
      Side side = result.sides().getFirst();
      for (int rank = 0; rank < 13; rank++) {
        assertThat(zoom.named()).contains(NAMES.get((int) side.neighbours().at(7, rank)));
      }
      assertThat(zoom.shown().size()).isBetween(10, M);
      assertThat(zoom.shown()).extracting(View.Point::label).contains("c7");
    }
  }

  @Test
  void directionsOfNoLengthAreLeftOut() {
    double[][] rows = planted(5);
    rows[4] = new double[WIDTH];
    try (var base = dictionary("model", rows)) {
      ConceptMapResult result = ConceptMap.of(base, DirectionFixtures.LAYER, QUICK);
      assertThat(result.names()).hasSize(M - 1).doesNotContain("c4");
      assertThat(result.left()).containsExactly("c4");
      assertThat(result.found().getFirst()).contains("not on the map: c4.");
      assertThatThrownBy(() -> ConceptMap.of(base, DirectionFixtures.LAYER, QUICK.around("c4")))
          .hasMessage("the concept 'c4' has no direction at this layer");
      assertThatThrownBy(() -> ConceptMap.of(base, DirectionFixtures.LAYER, QUICK.around("hate")))
          .hasMessageContaining("there is no concept 'hate' among its 40");
      assertThatThrownBy(() -> ConceptMap.of(base, 9, QUICK))
          .hasMessageContaining("layer 9 was not read, only [3]");
    }
  }

  @Test
  void componentsAreOfTheGreatestVariance() {
    try (var base = dictionary("model", planted(6));
        var scope = Scope.withoutGradients()) {
      ConceptMapResult result =
          ConceptMap.of(base, DirectionFixtures.LAYER, QUICK.with(Projection.PCA));
      Tensor unit = Directions.of(base, DirectionFixtures.LAYER).unit();
      Tensor centred = unit.sub(unit.mean(0, true));
      double[] s = centred.svd(false).s().toDoubles();
      double[] sums = new double[2];
      for (int i = 0; i < M; i++) {
        for (int c = 0; c < 2; c++) {
          double place = result.sides().getFirst().places().at(i, c);
          sums[c] += place * place;
        }
      }
      assertThat(sums[0]).isCloseTo(s[0] * s[0], within(1e-4));
      assertThat(sums[1]).isCloseTo(s[1] * s[1], within(1e-4));
    }
  }

  // ---------------------------------------------------------------- two models

  @Test
  void theSameDictionaryTwiceChangesNothing() {
    for (Mode mode : Mode.values()) {
      for (Projection projection : Projection.values()) {
        try (var base = dictionary("base", planted(1));
            var tuned = dictionary("tuned", planted(1))) {
          ConceptMapResult result = two(base, tuned, QUICK.with(mode).with(projection));
          Change change = result.change().orElseThrow();
          isOne(Objects.requireNonNull(change.numbers().get(Property.KEPT)));
          isOne(Objects.requireNonNull(change.numbers().get(Property.SIMILARITY)));
          isOne(Objects.requireNonNull(change.numbers().get(Property.COSINE)));
          change
              .differences()
              .values()
              .forEach(difference -> {
                assertThat(difference.value()).isCloseTo(0, within(1e-9));
                assertThat(difference.high() - difference.low()).isCloseTo(0, within(1e-9));
              });
          change.distance().ifPresent(d -> assertThat(d).isCloseTo(0, within(1e-9)));
          assertThat(change.distance().isPresent()).isEqualTo(mode == Mode.SEPARATE);
          assertThat(change.groups()).allSatisfy(g -> assertThat(g.test().p()).isEqualTo(1));
          if (mode != Mode.JOINT || projection == Projection.PCA) {
            isNear(result, 1e-4);
          }
        }
      }
    }
  }

  /// Both points of each concept are in one place.
  private static void isNear(ConceptMapResult result, double most) {
    for (int i = 0; i < result.names().size(); i++) {
      for (int c = 0; c < 2; c++) {
        assertThat(result.sides().get(1).places().at(i, c))
            .isCloseTo(result.sides().get(0).places().at(i, c), within(most));
      }
    }
  }

  @Test
  void aRotationChangesOnlyWhereDirectionsPoint() {
    double[][] rows = planted(7);
    try (var base = dictionary("base", rows);
        var tuned = dictionary("tuned", rotated(rows))) {
      ConceptMapResult result = two(base, tuned, QUICK.with(Mode.SEPARATE));
      Change change = result.change().orElseThrow();
      assertThat(Objects.requireNonNull(change.numbers().get(Property.KEPT)).value())
          .isGreaterThan(0.999);
      assertThat(Objects.requireNonNull(change.numbers().get(Property.SIMILARITY)).value())
          .isCloseTo(1, within(1e-4));
      assertThat(Math.abs(Objects.requireNonNull(change.numbers().get(Property.COSINE)).value()))
          .isLessThan(0.5);
      change
          .differences()
          .forEach((property, difference) ->
              assertThat(difference.value()).as(property.title()).isCloseTo(0, within(1e-4)));
    }
  }

  @Test
  void concentratedChangeIsFoundWhereItIs() {
    double[][] rows = planted(8);
    double[][] changed = new double[M][];
    var random = new Random(5);
    for (int i = 0; i < M; i++) {
      double noise = i % GROUPS == 2 ? 1.5 : 0.3;
      changed[i] = rows[i].clone();
      for (int c = 0; c < WIDTH; c++) {
        changed[i][c] += noise * random.nextGaussian();
      }
    }
    try (var base = dictionary("base", rows);
        var tuned = dictionary("tuned", changed)) {
      ConceptMapResult result = two(base, tuned, QUICK);
      Change change = result.change().orElseThrow();
      assertThat(change.mode()).isEqualTo(Mode.JOINT);
      GroupChange first = change.groups().getFirst();
      assertThat(first.group()).isEqualTo("group 2");
      assertThat(first.test().p()).isLessThan(1e-4);
      assertThat(first.test().share()).isGreaterThan(0.95);
      assertThat(first.adjusted()).isCloseTo(5 * first.test().p(), within(1e-12));
      assertThat(first.concepts()).isEqualTo(EACH);
      assertThat(result.found()).anyMatch(line -> line.contains("'group 2' changed more"));
      var table =
          (View.Table)
              result.views().stream()
                  .filter(view -> view.title().equals("Most changed"))
                  .findFirst()
                  .orElseThrow();
      assertThat(table.rows().subList(0, 6))
          .allSatisfy(row -> assertThat(row.get(1)).isEqualTo(View.Cell.of("group 2")));
      double lowest = change.cosines().orElseThrow().at(0);
      for (int i = 0; i < M; i++) {
        lowest = Math.min(lowest, change.cosines().orElseThrow().at(i));
      }
      assertThat(((View.Quantity) table.rows().getFirst().get(2)).value()).isEqualTo(lowest);
    }
  }

  @Test
  void conceptsAreMatchedByName() {
    double[][] rows = planted(1);
    var names = new ArrayList<>(NAMES).reversed();
    var kinds = new ArrayList<>(KINDS).reversed();
    var reversed = new ArrayList<>(List.of(rows)).reversed();
    names.set(0, "other");
    try (var base = dictionary("base", rows);
        var tuned = dictionary("tuned", names, kinds, reversed.toArray(double[][]::new))) {
      ConceptMapResult result = two(base, tuned, QUICK);
      isOne(Objects.requireNonNull(result.change().orElseThrow().numbers().get(Property.COSINE)));
      assertThat(result.left()).containsExactly("c39", "other");
      assertThat(result.names()).isEqualTo(NAMES.subList(0, M - 1));
    }
  }

  @Test
  void otherWidthsAreMappedApartAndFewConceptsRefused() {
    double[][] rows = planted(1);
    double[][] narrow = Arrays.stream(rows).map(r -> Arrays.copyOf(r, 20)).toArray(double[][]::new);
    try (var base = dictionary("base", rows);
        var tuned = dictionary("small", narrow);
        var few =
            dictionary(
                "few", List.of("c0", "c1", "x"), List.of("", "", ""), Arrays.copyOf(rows, 3))) {
      ConceptMapResult result = two(base, tuned, QUICK);
      Change change = result.change().orElseThrow();
      assertThat(change.mode()).isEqualTo(Mode.SEPARATE);
      assertThat(change.cosines()).isEmpty();
      assertThat(change.groups()).isEmpty();
      assertThat(change.numbers()).containsOnlyKeys(Property.KEPT, Property.SIMILARITY);
      assertThatThrownBy(() -> two(base, tuned, QUICK.with(Mode.JOINT)))
          .hasMessage(
              "base and small have directions of 32 and 20 numbers: a joint map needs the same, so"
                  + " choose separate");
      assertThatThrownBy(() -> two(base, few, QUICK))
          .hasMessage(
              "a map takes at least 3 concepts with a direction in both dictionaries, found 2");
    }
  }

  // ---------------------------------------------------------------- few members

  @Test
  void clustersOfOneMemberEachAreNotMeasured() {
    try (var base = dictionary("base", NAMES, NAMES, planted(1));
        var tuned = dictionary("tuned", NAMES, NAMES, planted(2))) {
      ConceptMapResult result = two(base, tuned, QUICK);
      assertThat(result.sides())
          .allSatisfy(side -> {
            assertThat(side.purity()).isEmpty();
            assertThat(side.numbers())
                .containsOnlyKeys(Property.MEAN_COSINE, Property.EFFECTIVE_RANK, Property.ISOTROPY);
          });
      assertThat(result.found().getFirst()).isEqualTo("40 concepts of 40 groups.");
      var queries = QUICK.withQueries(List.of("c0", "c1"), 99.99);
      var kinds = new ArrayList<>(Collections.nCopies(M, "all"));
      try (var one = dictionary("one", NAMES, kinds, planted(1))) {
        assertThat(ConceptMap.of(one, DirectionFixtures.LAYER, QUICK).found().getFirst())
            .isEqualTo("40 concepts of 1 group.");
        assertThat(two(one, tuned, queries).views()).isNotEmpty();
      }
    }
  }

  /// Groups of which only one has two members: many draws have no pair within a group.
  @Test
  void differencesOfFewMembersHaveIntervals() {
    var kinds = new ArrayList<>(NAMES);
    kinds.set(5, "c0");
    double[][] rows = planted(1);
    double[][] moved = planted(1);
    var random = new Random(2);
    for (double[] row : moved) {
      Arrays.setAll(row, c -> row[c] + 0.3 * random.nextGaussian());
    }
    try (var base = dictionary("base", NAMES, kinds, rows);
        var tuned = dictionary("tuned", NAMES, kinds, moved)) {
      Change change = two(base, tuned, QUICK).change().orElseThrow();
      assertThat(change.differences()).containsKeys(Property.PURITY, Property.SEPARATION);
      change
          .differences()
          .forEach((property, difference) -> {
            assertThat(difference.low()).as(property.title()).isFinite();
            assertThat(difference.high()).as(property.title()).isFinite();
          });
    }
  }

  @Test
  void threeConceptsHaveIntervals() {
    var names = List.of("a", "b", "c");
    var kinds = List.of("g", "g", "h");
    try (var base = dictionary("base", names, kinds, Arrays.copyOf(planted(1), 3));
        var tuned = dictionary("tuned", names, kinds, Arrays.copyOf(planted(2), 3))) {
      ConceptMapResult result = two(base, tuned, QUICK);
      Change change = result.change().orElseThrow();
      var all = new ArrayList<Estimate>(change.numbers().values());
      all.addAll(change.differences().values());
      result.sides().forEach(side -> all.addAll(side.numbers().values()));
      assertThat(all)
          .hasSize(3 + 6 + 2 * 6)
          .allSatisfy(estimate -> {
            assertThat(estimate.low()).isFinite();
            assertThat(estimate.high()).isFinite();
          });
    }
  }

  // ---------------------------------------------------------------- how it looks

  @Test
  void everyRendererDrawsIt() {
    try (var base = dictionary("base", planted(1));
        var tuned = dictionary("tuned", planted(2))) {
      ConceptMapResult result = two(base, tuned, QUICK.around("c3"));
      for (View view : result.views()) {
        assertThat(Terminal.render(view, TerminalStyle.plain()).lines())
            .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
      }
      assertThat(Json.render(result)).contains("\"link\":\"map\"", "group_change");
      var section = Section.of("Map", "", result);
      String html =
          Html.render(new Report("T", "", List.of(), List.of(section), result.provenance()));
      assertThat(html.split("data-key=\"map/c5\"", -1).length).isGreaterThanOrEqualTo(3);
      assertThat(html).doesNotContain("NaN");
    }
  }

  @Test
  void narrowNumbersDoNotSpoilIt() {
    try (var scope = Scope.withoutGradients();
        var base =
            DirectionFixtures.write(
                folder.resolve("flat"),
                "flat",
                List.of("a", "b", "c"),
                List.of("g", "g", "h"),
                Tensor.identity(3).to(DType.F32))) {
      ConceptMapResult result = ConceptMap.of(base, DirectionFixtures.LAYER, QUICK.around("a"));
      Side side = result.sides().getFirst();
      assertThat(Objects.requireNonNull(side.numbers().get(Property.MEAN_COSINE)).value())
          .isCloseTo(0, within(1e-9));
      assertThat(Objects.requireNonNull(side.numbers().get(Property.EFFECTIVE_RANK)).value())
          .isCloseTo(3, within(1e-9));
      assertThat(result.views()).isNotEmpty();
    }
  }
}
