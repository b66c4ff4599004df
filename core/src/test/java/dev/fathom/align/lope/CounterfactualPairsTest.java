package dev.fathom.align.lope;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.align.AttributeWords;
import dev.fathom.align.Fitting;
import dev.fathom.align.Fittings;
import dev.fathom.align.Words;
import dev.fathom.align.lope.CounterfactualPairs.Pair;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.evaluate.bias.StereoSetItem.Sentence;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.text.SpecialTokens;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

class CounterfactualPairsTest {
  private static final Transformer MODEL = Fittings.load("llama", DType.F32);

  @AfterAll
  static void close() {
    MODEL.close();
  }

  private static StereoSetItem item(String target, String stereotype, String anti) {
    return new StereoSetItem(
        stereotype,
        "gender",
        target,
        "a BLANK",
        new Sentence("s", stereotype),
        new Sentence("a", anti),
        new Sentence("u", "a stone"));
  }

  private static Fitting fitting(AttributeWords words, StereoSetItem... items) {
    Fitting some = Fittings.of(MODEL, words);
    return new Fitting(
        MODEL,
        some.tokenizer(),
        words.domain(),
        List.of(items),
        words,
        some.neutral(),
        some.context(),
        some.start(),
        3,
        some.cache());
  }

  private static List<Integer> ids(String text) {
    int[] ids = new Words(MODEL.outputs(), true).encode(text, SpecialTokens.NONE).ids();
    return Arrays.stream(ids).boxed().toList();
  }

  private static List<List<Integer>> texts(List<Pair> pairs) {
    var texts = new ArrayList<List<Integer>>();
    for (Pair pair : pairs) {
      texts.add(Arrays.stream(pair.one()).boxed().toList());
      texts.add(Arrays.stream(pair.other()).boxed().toList());
    }
    return texts;
  }

  @Test
  void rowsOfOneLengthAreComparedFromWhereTheyDiffer() {
    assertThat(Pair.of(new int[] {1, 2, 3, 4}, new int[] {1, 9, 3, 4}).count()).isEqualTo(3);
    assertThat(Pair.of(new int[] {1, 2, 3, 4}, new int[] {9, 2, 3, 4}).count()).isEqualTo(3);
    assertThat(Pair.of(new int[] {1, 2, 3, 4}, new int[] {1, 2, 3, 9}).count()).isEqualTo(1);
    assertThat(Pair.of(new int[] {1, 2}, new int[] {1, 2}).count()).isZero();
    assertThat(Pair.of(new int[] {1}, new int[] {2}).count()).isZero();
  }

  @Test
  void othersAreComparedOverTheirCommonEnd() {
    assertThat(Pair.of(new int[] {1, 2, 3, 4}, new int[] {1, 8, 9, 3, 4}).count()).isEqualTo(2);
    assertThat(Pair.of(new int[] {1, 3, 4}, new int[] {1, 1, 3, 4}).count()).isEqualTo(2);
    assertThat(Pair.of(new int[] {1, 2, 3}, new int[] {1, 2}).count()).isZero();
    assertThat(Pair.of(new int[] {4}, new int[] {3, 4}).count()).isZero();
  }

  @Test
  void attributeWordsAreExchanged() {
    var pairs =
        CounterfactualPairs.of(
            fitting(
                Fittings.GENDER, item("nurse", "so the man sings loud", "so the woman sings low")),
            10);
    assertThat(texts(pairs))
        .containsExactly(
            ids("so the man sings loud"),
            ids("so the woman sings loud"),
            ids("so the woman sings low"),
            ids("so the man sings low"));
    assertThat(pairs).extracting(Pair::count).containsExactly(3, 3);
  }

  @Test
  void threeGroupsGiveTwoPairsASentence() {
    var pairs =
        CounterfactualPairs.of(
            fitting(
                Fittings.RELIGION,
                item("imam", "near the mosque they sang", "near the mosque they ate")),
            10);
    assertThat(texts(pairs))
        .containsExactly(
            ids("near the mosque they sang"),
            ids("near the synagogue they sang"),
            ids("near the mosque they sang"),
            ids("near the church they sang"),
            ids("near the mosque they ate"),
            ids("near the synagogue they ate"),
            ids("near the mosque they ate"),
            ids("near the church they ate"));
  }

  @Test
  void withoutSuchWordsTheTermIsExchangedForAnothers() {
    var pairs =
        CounterfactualPairs.of(
            fitting(
                Fittings.GENDER,
                item("nurse", "here Nurse sings loud", "so low she sings"),
                item("pilot", "the pilot and pilots sing", "no word of it")),
            10);
    assertThat(texts(pairs))
        .containsExactlyInAnyOrder(
            ids("here Nurse sings loud"),
            ids("here Pilot sings loud"),
            ids("so low she sings"),
            ids("so low he sings"),
            ids("the pilot and pilots sing"),
            ids("the nurse and pilots sing"));
  }

  @Test
  void theOrderIsDrawnAndTheNumberBounded() {
    Fitting fitting = Fittings.of(MODEL, Fittings.GENDER);
    List<Pair> all = CounterfactualPairs.of(fitting, 600);
    assertThat(all).hasSize(32); // two sentences an item
    assertThat(texts(CounterfactualPairs.of(fitting, 5))).isEqualTo(texts(all.subList(0, 5)));
    assertThat(texts(CounterfactualPairs.of(fitting, 600))).isEqualTo(texts(all));
  }

  @Test
  void whatTheModelCannotReadIsLeftOut() {
    String text = "the man sings" + " la".repeat(70);
    assertThat(
            CounterfactualPairs.of(
                fitting(Fittings.GENDER, item("nurse", text, "the man sings loud")), 10))
        .hasSize(1);
  }

  @Test
  void withoutAnythingToExchangeThereAreNoPairs() {
    Fitting fitting =
        fitting(Fittings.GENDER, item("nurse", "the nurse sings loud", "the nurse sings low"));
    assertThatThrownBy(() -> CounterfactualPairs.of(fitting, 10))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("domain gender", "attribute words", "several terms");
  }
}
