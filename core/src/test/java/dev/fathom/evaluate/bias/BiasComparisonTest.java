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

class BiasComparisonTest {
  private static final Bootstrap SOME = new Bootstrap(1000, 2);

  /// The same items, the stereotype's score changed in those of some numbers.
  private static List<ScoredItem> changed(List<ScoredItem> items, double by, int every) {
    var changed = new ArrayList<ScoredItem>();
    for (int i = 0; i < items.size(); i++) {
      ScoredItem item = items.get(i);
      changed.add(
          Items.scored(
              item.key(),
              item.domain(),
              item.target(),
              item.stereotype() + (i % every == 0 ? by : 0),
              item.antiStereotype(),
              item.unrelated()));
    }
    return changed;
  }

  @Test
  void aModelDoesNotDifferFromItself() {
    List<ScoredItem> items = Items.random(8, 0.4, 1);
    for (BiasComparison.Row row : BiasComparison.of(items, items, SOME).rows()) {
      for (Measure measure : Measure.values()) {
        assertThat(row.of(measure).p()).isEqualTo(1);
        assertThat(row.of(measure).difference()).isEqualTo(new Estimate(0, 0, 0));
      }
    }
  }

  @Test
  void valuesAreThoseOfEachModelAlone() {
    List<ScoredItem> items = Items.random(8, 0.4, 1);
    List<ScoredItem> other = changed(items, -1, 2);
    BiasComparison comparison = BiasComparison.of(items, other, SOME);
    BiasScores first = BiasScores.of(items, SOME);
    BiasScores second = BiasScores.of(other, SOME);
    for (BiasComparison.Row row : comparison.rows()) {
      for (Measure measure : Measure.values()) {
        double before = first.row(row.name()).of(measure).value();
        double after = second.row(row.name()).of(measure).value();
        assertThat(row.of(measure).first()).isEqualTo(before);
        assertThat(row.of(measure).second()).isEqualTo(after);
        assertThat(row.of(measure).difference().value()).isCloseTo(after - before, within(1e-12));
      }
    }
  }

  @Test
  void whatChangesEveryItemAlikeIsFoundWithCertainty() {
    List<ScoredItem> items = Items.random(8, 0.4, 1);
    BiasComparison.Change gap =
        BiasComparison.of(items, changed(items, -0.25, 1), SOME).pooled().of(Measure.GAP);
    assertThat(gap.difference().value()).isCloseTo(-0.25, within(1e-9));
    assertThat(gap.difference().low()).isCloseTo(-0.25, within(1e-9));
    assertThat(gap.difference().high()).isCloseTo(-0.25, within(1e-9));
    assertThat(gap.p()).isCloseTo(2.0 / 1001, within(1e-12)); // the least that a thousand can say
  }

  @Test
  void pairingSeesWhatSeparateIntervalsCannot() {
    List<ScoredItem> items = Items.random(20, 0.2, 3);
    List<ScoredItem> other = changed(items, -0.6, 3);
    BiasScores first = BiasScores.of(items, SOME);
    BiasComparison.Change change = BiasComparison.of(items, other, SOME).pooled().of(Measure.SS);
    Estimate alone = first.pooled().of(Measure.SS);
    assertThat(change.difference().high() - change.difference().low())
        .isLessThan(0.7 * (alone.high() - alone.low()));
    assertThat(change.p()).isLessThan(0.01);
    assertThat(change.second()).isBetween(alone.low(), alone.high());
  }

  @Test
  void equallyGoodModelsDifferByChanceAboutAsOftenAsPSays() {
    int below = 0;
    for (int seed = 0; seed < 200; seed++) {
      List<ScoredItem> one = Items.random(8, 0.4, 1000 + seed);
      List<ScoredItem> other = Items.random(8, 0.4, 5000 + seed);
      double p =
          BiasComparison.of(one, other, new Bootstrap(200, seed)).pooled().of(Measure.GAP).p();
      below += p < 0.1 ? 1 : 0;
    }
    assertThat(below).isBetween(8, 36); // 20 expected
  }

  @Test
  void theOrderOfEitherSideChangesNothing() {
    List<ScoredItem> items = Items.random(5, 0.4, 1);
    List<ScoredItem> other = changed(items, -1, 2);
    var shuffled = new ArrayList<>(other);
    Collections.shuffle(shuffled, new Random(3));
    assertThat(BiasComparison.of(items, shuffled, SOME))
        .isEqualTo(BiasComparison.of(items, other, SOME));
  }

  @Test
  void exchangingTheModelsTurnsTheDifferenceRound() {
    List<ScoredItem> items = Items.random(5, 0.4, 1);
    List<ScoredItem> other = changed(items, -1, 2);
    BiasComparison.Change there = BiasComparison.of(items, other, SOME).row("race").of(Measure.SS);
    BiasComparison.Change back = BiasComparison.of(other, items, SOME).row("race").of(Measure.SS);
    assertThat(back.difference().value()).isEqualTo(-there.difference().value());
    assertThat(back.difference().high()).isCloseTo(-there.difference().low(), within(1e-9));
    assertThat(back.p()).isEqualTo(there.p());
  }

  @Test
  void otherItemsAreRefused() {
    List<ScoredItem> items = Items.random(5, 0.4, 1);
    assertThatThrownBy(() -> BiasComparison.of(items, items.subList(1, items.size()), SOME))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("need scores of the same items")
        .hasMessageContaining("gender0 (gender)");
    assertThatThrownBy(() -> BiasComparison.of(items, List.of(), SOME))
        .hasMessageContaining("need scores of the same items");
  }
}
