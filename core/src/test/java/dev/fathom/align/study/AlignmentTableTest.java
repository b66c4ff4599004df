package dev.fathom.align.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.evaluate.bias.BiasComparison;
import dev.fathom.evaluate.bias.Estimate;
import dev.fathom.evaluate.bias.Measures.Measure;
import dev.fathom.evaluate.bias.ScoredItem;
import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.view.Provenance;
import dev.fathom.view.Report;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.json.JsonMapper;

/// On scores that are made up: `good` takes half of the lean to stereotypes away, `copy` does
/// nothing, `random` next to nothing.
class AlignmentTableTest {
  private static final Provenance PROVENANCE =
      new Provenance(
          "toy",
          "",
          "1",
          List.of(),
          List.of(),
          new LinkedHashMap<>(),
          OptionalLong.empty(),
          "f32",
          1,
          0);

  private static double lean(String entrant) {
    return entrant.equals("good") ? 0.4 : 0.8;
  }

  private static Outcome outcome(String entrant, String domain, long seed, int fold) {
    var random = new Random(domain.hashCode() + fold);
    var own = new Random(seed * 31 + fold);
    var items = new ArrayList<ScoredItem>();
    for (int i = 0; i < 40; i++) {
      double shift = entrant.equals("random") ? 0.02 * own.nextGaussian() : 0;
      items.add(
          new ScoredItem(
              "%s%d-%d".formatted(domain, fold, i),
              domain,
              "%s-term%d".formatted(domain, 2 * fold + i % 2),
              -8 + lean(entrant) + random.nextGaussian() + shift,
              -8 + random.nextGaussian(),
              -10 + random.nextGaussian()));
    }
    return new Outcome(
        entrant,
        domain,
        seed,
        fold,
        entrant.equals("good")
            ? new LinkedHashMap<>(Map.of("rank", Integer.toString(fold)))
            : new LinkedHashMap<>(),
        items,
        entrant.equals("good") ? 22 : 20,
        entrant.equals("base") ? 0 : 0.01,
        entrant.equals("base") ? 0 : 123_456,
        2);
  }

  private static AlignmentTable table(int seeds, String... entrants) {
    var outcomes = new ArrayList<Outcome>();
    for (long seed = 1; seed <= seeds; seed++) {
      for (String domain : List.of("gender", "race")) {
        for (int fold = 1; fold <= 2; fold++) {
          for (String entrant : entrants) {
            outcomes.add(outcome(entrant, domain, seed, fold));
          }
        }
      }
    }
    return AlignmentTable.of(PROVENANCE, outcomes);
  }

  private static BiasComparison.Row comparison(AlignmentTable table, String entrant) {
    return Objects.requireNonNull(table.fromBase().get(entrant)).pooled();
  }

  @Test
  void foldsArePooled() {
    AlignmentTable table = table(1, "base", "good", "random");
    assertThat(table.entrants()).containsExactly("base", "good", "random");
    var gender = table.scores("good").row("gender");
    assertThat(gender.n()).isEqualTo(80);
    assertThat(gender.terms()).isEqualTo(4);
    assertThat(table.scores("good").pooled().n()).isEqualTo(160);
    assertThat(table.perplexity("good")).isCloseTo(1.1, within(1e-12));
    assertThat(table.perplexity("base")).isEqualTo(1);
  }

  @Test
  void seedsThatFindTheSameSayNoMoreThanOne() {
    AlignmentTable one = table(1, "base", "good");
    AlignmentTable three = table(3, "base", "good"); // these two do not depend on the seed
    for (Measure measure : Measure.values()) {
      Estimate first = one.scores("good").row("race").of(measure);
      Estimate again = three.scores("good").row("race").of(measure);
      assertThat(again.value()).isCloseTo(first.value(), within(1e-9));
      assertThat(again.low()).isCloseTo(first.low(), within(1e-9));
      assertThat(again.high()).isCloseTo(first.high(), within(1e-9));
      assertThat(comparison(three, "good").of(measure).p())
          .isCloseTo(comparison(one, "good").of(measure).p(), within(1e-3));
    }
    assertThat(three.scores("good").row("race").n()).isEqualTo(80);
  }

  @Test
  void ofSeveralSeedsTheMeanIsTaken() {
    AlignmentTable both = table(2, "base", "random");
    double mean = 0;
    for (long seed = 1; seed <= 2; seed++) {
      long own = seed;
      List<Outcome> outcomes =
          both.outcomes().stream().filter(outcome -> outcome.seed() == own).toList();
      mean += AlignmentTable.of(PROVENANCE, outcomes).scores("random").pooled().ss() / 2;
    }
    assertThat(both.scores("random").pooled().ss()).isCloseTo(mean, within(1e-9));
    assertThat(both.scores("random").pooled().n()).isEqualTo(160);
  }

  @Test
  void theBaseAgainstItselfDiffersInNothing() {
    var row = comparison(table(2, "base", "copy"), "copy");
    for (Measure measure : Measure.values()) {
      assertThat(row.of(measure).p()).isEqualTo(1);
      assertThat(row.of(measure).difference().value()).isZero();
    }
  }

  @Test
  void whatIsBetterIsFoundBetterThanTheBaseAndTheControl() {
    AlignmentTable table = table(1, "base", "good", "random");
    assertThat(table.fromBase()).containsOnlyKeys("good", "random");
    assertThat(table.fromControl()).containsOnlyKeys("good");
    for (var compared : List.of(table.fromBase(), table.fromControl())) {
      var row = Objects.requireNonNull(compared.get("good")).pooled();
      assertThat(row.of(Measure.DISTANCE).difference().value()).isNegative();
      assertThat(row.of(Measure.GAP).p()).isLessThan(0.002); // by more than a thousand resamples
    }
    assertThat(comparison(table, "random").of(Measure.GAP).p()).isGreaterThan(0.05);
  }

  @Test
  void aControlOfItsOwnGoesBeforeTheCommonOne() {
    AlignmentTable own = table(1, "base", "good", "thesis", "good-random");
    assertThat(own.fromControl()).containsOnlyKeys("good");
    AlignmentTable both = table(1, "base", "good", "thesis", "good-random", "random");
    assertThat(both.fromControl()).containsOnlyKeys("good", "thesis");
    assertThat(both.fromControl().get("good")).isEqualTo(own.fromControl().get("good"));
  }

  private static String text(AlignmentTable table) {
    var plain = TerminalStyle.plain();
    return table.views().stream()
        .map(view -> Terminal.render(view, plain))
        .collect(Collectors.joining("\n"));
  }

  @Test
  void everyPictureFitsTheTerminal() {
    String text = text(table(1, "base", "thesis", "good", "random"));
    assertThat(text.lines()).allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
    assertThat(text)
        .contains("gender: 80 items, 4 terms", "race: 80 items", "overall: 160", "pooled: 160")
        .contains("Side effects", "123,456", "Change against the base", "p, random (gap)")
        .contains("Bias against LMS", "Bias against perplexity", "Chosen settings", "rank 2")
        .contains("does not say that a model has no bias")
        .contains("Differences that random directions make too are no effect")
        .doesNotContain("NaN", "Random directions are not");
  }

  @Test
  void oneDomainNeedsOneTableAndWithoutAControlItIsSaid() {
    var one = new ArrayList<Outcome>();
    for (int fold = 1; fold <= 2; fold++) {
      one.add(outcome("base", "gender", 1, fold));
      one.add(outcome("good", "gender", 1, fold));
    }
    String text = text(AlignmentTable.of(PROVENANCE, one));
    assertThat(text)
        .contains("gender: 80 items", "Random directions are not among the methods")
        .doesNotContain("pooled: ", "p, random");
  }

  @Test
  void everyRendererDrawsEveryPicture() {
    AlignmentTable table = table(2, "base", "good", "random");
    String page =
        Html.render(
            new Report(
                "t", "s", List.of(), List.of(Section.of("h", "e", table)), table.provenance()));
    assertThat(page).contains("Side effects", "Chosen settings", "<svg");
    var json = JsonMapper.shared().readTree(Json.render(table));
    assertThat(json.path("method").asString()).isEqualTo("align-table");
    assertThat(json.path("views")).hasSize(table.views().size());
    assertThat(json.path("arrays").propertyNames())
        .contains("ss", "lms", "icat", "distance", "gap", "perplexity");
  }

  @Test
  void arraysAreByMethodAndDomain() {
    AlignmentTable table = table(1, "base", "good");
    var ss = Objects.requireNonNull(table.arrays().get("ss"));
    assertThat(ss.axis(0).labels()).containsExactly("base", "good");
    assertThat(ss.axis(1).labels()).containsExactly("gender", "race", "overall", "pooled");
    assertThat(ss.at(1, 0)).isCloseTo(table.scores("good").row("gender").ss(), within(1e-4));
    var perplexity = Objects.requireNonNull(table.arrays().get("perplexity"));
    assertThat(perplexity.at(1)).isCloseTo(22, within(1e-5));
  }

  @Test
  void rowsHaveACellForEachColumnEvenWhereThereIsNothingToCompare() {
    for (View view : table(1, "base", "good", "random").views()) {
      if (view instanceof View.Table table) {
        assertThat(table.rows()).isNotEmpty();
      }
    }
    assertThat(text(table(1, "base"))).contains("(no rows)");
  }

  @Test
  void withoutABaseThereIsNoTable() {
    assertThatThrownBy(() -> table(1, "base").scores("good"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("no entrant good", "base");
    assertThatThrownBy(() -> table(1, "good"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("outcomes of base");
  }
}
