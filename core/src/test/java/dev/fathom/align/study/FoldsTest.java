package dev.fathom.align.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.evaluate.bias.StereoSetItem.Sentence;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FoldsTest {
  private static List<StereoSetItem> items(int terms) {
    return items(IntStream.range(0, terms).mapToObj(i -> "t" + i).toArray(String[]::new));
  }

  private static List<StereoSetItem> items(String... terms) {
    var items = new ArrayList<StereoSetItem>();
    for (int i = 0; i < 3 * terms.length; i++) {
      items.add(
          new StereoSetItem(
              "i" + i,
              "gender",
              terms[i % terms.length],
              "x BLANK",
              new Sentence("s" + i, "x a"),
              new Sentence("a" + i, "x b"),
              new Sentence("u" + i, "x c")));
    }
    return items;
  }

  private static Set<String> terms(List<StereoSetItem> items) {
    return items.stream().map(StereoSetItem::target).collect(Collectors.toSet());
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 7})
  void everyItemIsTestedOnceByWhatHasNotSeenItsTerm(int count) {
    List<StereoSetItem> items = items(7);
    List<Folds.Fold> folds = Folds.of(items, count, 5);
    assertThat(folds).hasSize(count);
    var tested = new ArrayList<StereoSetItem>();
    for (int f = 0; f < count; f++) {
      Folds.Fold fold = folds.get(f);
      assertThat(fold.number()).isEqualTo(f + 1);
      assertThat(terms(fold.fit())).doesNotContainAnyElementsOf(terms(fold.test()));
      assertThat(fold.fit().size() + fold.test().size()).isEqualTo(items.size());
      assertThat(terms(fold.test()).size()).isBetween(7 / count, (7 + count - 1) / count);
      tested.addAll(fold.test());
    }
    assertThat(tested).containsExactlyInAnyOrderElementsOf(items);
  }

  @Test
  void seedsDealOtherwiseAndTheSameSeedTheSame() {
    List<StereoSetItem> items = items(9);
    var dealt = new HashSet<Set<String>>();
    for (long seed = 0; seed < 5; seed++) {
      dealt.add(terms(Folds.of(items, 2, seed).getFirst().test()));
      assertThat(Folds.of(items, 2, seed)).isEqualTo(Folds.of(items, 2, seed));
    }
    assertThat(dealt).hasSizeGreaterThan(3);
  }

  @Test
  void theOrderOfTheItemsDoesNotDeal() {
    List<StereoSetItem> items = items(5);
    assertThat(terms(Folds.of(items.reversed(), 2, 1).getFirst().test()))
        .isEqualTo(terms(Folds.of(items, 2, 1).getFirst().test()));
  }

  @Test
  void formsOfAWordStayTogether() {
    List<StereoSetItem> items =
        items("Iraq", "Iran", "gentleman", "Iraqi", "her", "gentlemen", "herself", "himself");
    for (long seed = 0; seed < 20; seed++) {
      for (Folds.Fold fold : Folds.of(items, 2, seed)) {
        Set<String> tested = terms(fold.test());
        assertThat(tested.contains("Iraq")).isEqualTo(tested.contains("Iraqi"));
        assertThat(tested.contains("gentleman")).isEqualTo(tested.contains("gentlemen"));
        assertThat(tested.contains("her")).isEqualTo(tested.contains("herself"));
      }
    }
    assertThat(Folds.of(items, 5, 0)).hasSize(5); // all that are not related are dealt
  }

  @Test
  void furtherItemsAboutTestedWordsAreNotFittedOn() {
    List<StereoSetItem> more = items("Iraqi", "Norwegian");
    for (Folds.Fold fold : Folds.of(items("Iraq", "Syria"), more, 2, 3)) {
      assertThat(terms(fold.fit()).contains("Iraqi"))
          .isEqualTo(!terms(fold.test()).contains("Iraq"));
      assertThat(terms(fold.fit())).contains("Norwegian");
    }
  }

  @Test
  void tooFewTermsAreRefusedByName() {
    assertThatThrownBy(() -> Folds.of(items(2), 3, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "6 items about 2 words (t0, t1) are too few for 3 folds, which need a word each: take"
                + " fewer folds, or more items.");
    assertThatThrownBy(() -> Folds.of(items(2), 1, 0)).hasMessageContaining("At least 2 folds");
  }
}
