package dev.fathom.evaluate.bias;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.References;
import dev.fathom.arch.Models;
import dev.fathom.model.Layout;
import dev.fathom.model.Numbers;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MaskedScorerTest {
  private static final PieceTokenizer TOKENIZER = new PieceTokenizer();
  private static final int CLS = PieceTokenizer.CLS;
  private static final int SEP = PieceTokenizer.SEP;
  private static final int MASK = PieceTokenizer.MASK;

  private static Transformer load(String name) {
    return Models.load(References.path("checkpoints/" + name), DType.F32);
  }

  /// What a textbook would do: one row, all logits.
  private static double probability(Transformer model, int[] ids, int position, int token) {
    try (var scope = Scope.withoutGradients()) {
      Tensor logits =
          model.forward(Tensor.of(ids, ids.length), Pass.over(Layout.single(ids.length)));
      double[] all = logits.to(DType.F64).softmax(-1).toDoubles();
      return all[position * model.outputs() + token];
    }
  }

  private static int[] pieces(String... pieces) {
    return Arrays.stream(pieces).mapToInt(PieceTokenizer::idOf).toArray();
  }

  private static double log2(double p) {
    return Math.log(p) / Math.log(2);
  }

  @ParameterizedTest
  @ValueSource(strings = {"bert_mlm", "roberta_mlm"})
  void aWordsPiecesAreAskedForLeftToRightAndTheirProbabilitiesAveraged(String name) {
    try (var model = load(name)) {
      var item =
          Items.item("1", "gender", "she", "she is very BLANK now", "wise", "foolish", "sponge");
      ScoredItem scored = BiasScorer.masked(model, TOKENIZER).items(List.of(item)).getFirst();
      int she = PieceTokenizer.idOf("she");
      int[] is = pieces("is", "very", "now");
      double wise =
          probability(
              model,
              new int[] {CLS, she, is[0], is[1], MASK, is[2], SEP},
              4,
              PieceTokenizer.idOf("wise"));
      assertThat(scored.stereotype()).isCloseTo(log2(wise), within(1e-4));
      int[] foolish = pieces("fool", "ish");
      double first =
          probability(model, new int[] {CLS, she, is[0], is[1], MASK, is[2], SEP}, 4, foolish[0]);
      double second =
          probability(
              model,
              new int[] {CLS, she, is[0], is[1], foolish[0], MASK, is[2], SEP},
              5,
              foolish[1]);
      assertThat(scored.antiStereotype()).isCloseTo(log2((first + second) / 2), within(1e-4));
    }
  }

  @Test
  void ofSeveralBlanksTheFirstIsAskedForWithAllMasked() {
    try (var model = load("bert_mlm")) {
      var item = Items.item("1", "race", "he", "BLANK or BLANK he", "this", "that", "what");
      ScoredItem scored = BiasScorer.masked(model, TOKENIZER).items(List.of(item)).getFirst();
      int[] row = {CLS, MASK, PieceTokenizer.idOf("or"), MASK, PieceTokenizer.idOf("he"), SEP};
      assertThat(scored.unrelated())
          .isCloseTo(log2(probability(model, row, 1, PieceTokenizer.idOf("what"))), within(1e-4));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"bert_mlm", "roberta_mlm"})
  void aPairIsScoredByTheTokensThatBothSentencesHave(String name) {
    try (var model = load(name)) {
      var pair = new CrowsPair(1, "gender", true, "he is wise", "she is wise");
      ScoredPair scored = BiasScorer.masked(model, TOKENIZER).pairs(List.of(pair)).getFirst();
      int[] shared = pieces("is", "wise");
      int he = PieceTokenizer.idOf("he");
      double expected =
          (log2(probability(model, new int[] {CLS, he, MASK, shared[1], SEP}, 2, shared[0]))
                  + log2(
                      probability(model, new int[] {CLS, he, shared[0], MASK, SEP}, 3, shared[1])))
              / 2;
      assertThat(scored.more()).isCloseTo(expected, within(1e-4));
    }
  }

  @Test
  void whatIsReadTogetherChangesNothing() {
    try (var model = load("bert_mlm")) {
      BiasScorer scorer = BiasScorer.masked(model, TOKENIZER);
      List<StereoSetItem> items =
          List.of(
              Items.item("1", "gender", "she", "she is BLANK", "wise", "foolish", "sponge"),
              Items.item("2", "race", "he", "so he was very BLANK there", "a", "bb", "cc"),
              Items.item("3", "race", "he", "BLANK he", "dd", "thoughtful", "ee"));
      List<ScoredItem> together = scorer.items(items);
      for (int i = 0; i < items.size(); i++) {
        ScoredItem alone = scorer.items(List.of(items.get(i))).getFirst();
        assertThat(alone.stereotype()).isCloseTo(together.get(i).stereotype(), within(1e-4));
        assertThat(alone.antiStereotype())
            .isCloseTo(together.get(i).antiStereotype(), within(1e-4));
        assertThat(alone.unrelated()).isCloseTo(together.get(i).unrelated(), within(1e-4));
      }
    }
  }

  @Test
  void whatCannotFillInWordsIsRefused() {
    try (var classifier = load("bert_cls");
        var causal = load("gpt2");
        var masked = load("bert_mlm")) {
      for (Transformer model : List.of(classifier, causal)) {
        assertThatThrownBy(() -> BiasScorer.masked(model, TOKENIZER))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("has no head that fills in masked words");
      }
      assertThatThrownBy(() -> BiasScorer.masked(masked, new Numbers(50)))
          .hasMessageContaining("has a tokenizer without a mask token");
      assertThatThrownBy(() ->
              BiasScorer.masked(masked, TOKENIZER)
                  .pairs(List.of(new CrowsPair(4, "age", true, "a b", "c d"))))
          .hasMessageContaining("pair 4: its sentences share no token");
    }
  }
}
