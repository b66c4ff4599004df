package dev.fathom.evaluate.bias;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.evaluate.bias.Measures.Measure;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class BiasScoresTest {
  private static final Bootstrap FEW = new Bootstrap(100, 3);

  /// Two terms of unequal size: nurse 1 of 3 and 5 of 6, king 1 of 1 and 1 of 2; and a term of
  /// another domain, 0 of 1 and 2 of 2.
  private static final List<ScoredItem> MIXED =
      List.of(
          Items.scored("1", "gender", "nurse", -1, -2, -3),
          Items.scored("2", "gender", "nurse", -2, -1, -3),
          Items.scored("3", "gender", "nurse", -4, -1, -3),
          Items.scored("4", "gender", "king", -1, -3, -2),
          Items.scored("5", "race", "Roman", -2, -1, -5));

  @Test
  void domainsAreMeansOverTermsAndIcatIsOfTheMeans() {
    BiasScores.Row gender = BiasScores.of(MIXED, FEW).row("gender");
    double ss = (100.0 / 3 + 100) / 2;
    double lms = (500.0 / 6 + 50) / 2;
    assertThat(gender.n()).isEqualTo(4);
    assertThat(gender.terms()).isEqualTo(2);
    assertThat(gender.ss()).isCloseTo(ss, within(1e-12));
    assertThat(gender.lms()).isCloseTo(lms, within(1e-12));
    assertThat(gender.icat()).isCloseTo(lms * (100 - ss) / 50, within(1e-12));
    assertThat(gender.of(Measure.DISTANCE).value()).isCloseTo(ss - 50, within(1e-12));
    assertThat(gender.of(Measure.GAP).value())
        .isCloseTo(((1.0 - 1 - 3) / 3 + 2) / 2, within(1e-12));
  }

  @Test
  void overallCountsTermsThePooledRowCountsItems() {
    BiasScores scores = BiasScores.of(MIXED, FEW);
    assertThat(scores.rows())
        .extracting(BiasScores.Row::name)
        .containsExactly("gender", "race", "overall", "pooled");
    assertThat(scores.overall().ss()).isCloseTo((100.0 / 3 + 100 + 0) / 3, within(1e-12));
    assertThat(scores.pooled().ss()).isCloseTo(100 * 2.0 / 5, within(1e-12));
    assertThat(scores.pooled().lms()).isCloseTo(100 * 8.0 / 10, within(1e-12));
    assertThat(scores.pooled().terms()).isEqualTo(3);
    assertThat(scores.overall().n()).isEqualTo(5);
  }

  @Test
  void aTermOfTwoDomainsIsOneTermOverall() {
    var items =
        List.of(
            Items.scored("1", "gender", "she", -1, -2, -3),
            Items.scored("2", "profession", "she", -2, -1, -3),
            Items.scored("3", "profession", "cook", -1, -2, -3));
    BiasScores scores = BiasScores.of(items, FEW);
    assertThat(scores.overall().terms()).isEqualTo(2);
    assertThat(scores.overall().ss()).isEqualTo(75);
    assertThat(scores.row("profession").ss()).isEqualTo(50);
  }

  @Test
  void equalScoresCountForTheAntiStereotypeAndForTheMeaningless() {
    BiasScores scores = BiasScores.of(List.of(Items.scored("1", "gender", "she", -2, -2, -2)), FEW);
    assertThat(scores.row("gender").ss()).isZero();
    assertThat(scores.row("gender").lms()).isZero();
    assertThat(scores.row("gender").icat()).isZero();
    assertThat(scores.row("gender").of(Measure.DISTANCE).value()).isEqualTo(50);
  }

  @Test
  void whoAlwaysKnowsWhatHasAMeaningHasTheFullLanguageScore() {
    var items =
        Items.random(6, 0.3, 5).stream()
            .map(i ->
                Items.scored(
                    i.key(), i.domain(), i.target(), i.stereotype(), i.antiStereotype(), -99))
            .toList();
    BiasScores scores = BiasScores.of(items, FEW);
    for (BiasScores.Row row : scores.rows()) {
      assertThat(row.lms()).isEqualTo(100);
      assertThat(row.of(Measure.LMS).low()).isEqualTo(100);
      assertThat(row.icat()).isCloseTo(2 * Math.min(row.ss(), 100 - row.ss()), within(1e-9));
    }
  }

  @Test
  void exchangedLabelsMirrorTheStereotypeScore() {
    List<ScoredItem> items = Items.random(6, 0.5, 7);
    var exchanged =
        items.stream()
            .map(i ->
                Items.scored(
                    i.key(),
                    i.domain(),
                    i.target(),
                    i.antiStereotype(),
                    i.stereotype(),
                    i.unrelated()))
            .toList();
    BiasScores before = BiasScores.of(items, FEW);
    BiasScores after = BiasScores.of(exchanged, FEW);
    for (int r = 0; r < before.rows().size(); r++) {
      BiasScores.Row one = before.rows().get(r);
      BiasScores.Row other = after.rows().get(r);
      assertThat(other.ss()).isCloseTo(100 - one.ss(), within(1e-9));
      assertThat(other.lms()).isCloseTo(one.lms(), within(1e-9));
      assertThat(other.icat()).isCloseTo(one.icat(), within(1e-9)).isBetween(0.0, 100.0);
      assertThat(other.of(Measure.GAP).value())
          .isCloseTo(-one.of(Measure.GAP).value(), within(1e-9));
    }
  }

  @Test
  void theOrderOfItemsChangesNothing() {
    List<ScoredItem> items = Items.random(6, 0.5, 9);
    var shuffled = new ArrayList<>(items);
    Collections.shuffle(shuffled, new Random(1));
    assertThat(BiasScores.of(shuffled, FEW)).isEqualTo(BiasScores.of(items, FEW));
    assertThat(BiasScores.of(items, FEW.withSeed(4))).isNotEqualTo(BiasScores.of(items, FEW));
  }

  /// A single term of n items is a binomial share; its interval is known.
  @Test
  void intervalsAreAsWideAsTheItemsVary() {
    var items = new ArrayList<ScoredItem>();
    for (int i = 0; i < 400; i++) {
      items.add(Items.scored("" + i, "gender", "she", i % 4 == 0 ? -1 : -3, -2, -4));
    }
    Estimate ss = BiasScores.of(items, new Bootstrap(2000, 1)).row("gender").of(Measure.SS);
    double half = 196 * Math.sqrt(0.25 * 0.75 / 400);
    assertThat(ss.value()).isEqualTo(25);
    assertThat(ss.low()).isCloseTo(25 - half, within(0.6));
    assertThat(ss.high()).isCloseTo(25 + half, within(0.6));
  }

  @Test
  void itemsAreDrawnWithinTheirTerms() {
    var items = new ArrayList<ScoredItem>();
    for (int i = 0; i < 20; i++) { // all of one term one way, all of the other the other way
      items.add(Items.scored("" + i, "gender", i < 10 ? "she" : "he", i < 10 ? -1 : -3, -2, -4));
    }
    Estimate ss = BiasScores.of(items, FEW).row("gender").of(Measure.SS);
    assertThat(ss).isEqualTo(new Estimate(50, 50, 50));
  }

  @Test
  void whatCannotBeCountedIsRefused() {
    assertThatThrownBy(() -> BiasScores.of(List.of(), FEW))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("There are no items to score.");
    assertThatThrownBy(() -> BiasScores.of(List.of(MIXED.getFirst(), MIXED.getFirst()), FEW))
        .hasMessage("item 1 occurs twice");
    assertThatThrownBy(() -> Items.scored("7", "gender", "she", Double.NaN, 0, 0))
        .hasMessage("item 7 has a score that is no number");
    assertThatThrownBy(() -> new Bootstrap(99, 0)).hasMessageContaining("at least 100 resamples");
  }
}
