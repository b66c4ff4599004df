package dev.fathom.explain.causal;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Numbers;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class AttentionKnockoutTest {
  private static final int LENGTH = 6;
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);

  static Stream<Variant> variants() {
    return TinyModels.some(DType.F64).stream();
  }

  @ParameterizedTest
  @MethodSource("variants")
  void everyCellIsARunWithTheKeyHiddenInTheWindow(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      int[] ids = TinyModel.idArray(LENGTH, 3);
      int position = variant.causal() ? LENGTH - 1 : 3;
      var question =
          Question.of(Prompt.ofIds(NUMBERS, ids), 7).at(position).measuredBy(Metric.LOG_PROB);
      for (var queries : AttentionKnockout.Queries.values()) {
        int window = queries == AttentionKnockout.Queries.ASKED ? 2 : 1 + (int) variant.seed() % 2;
        var config = AttentionKnockout.Config.standard(model).of(queries).withWindow(window);
        var result = AttentionKnockout.run(model, NUMBERS, question, config);
        for (int layer = 0; layer < model.layers(); layer++) {
          for (int key = 0; key < LENGTH; key++) {
            int first = layer - window / 2;
            boolean asked = queries == AttentionKnockout.Queries.ASKED;
            double without = naive(model, question, key, first, first + window, asked);
            assertThat(result.effect().at(layer, key))
                .as("%s window %d layer %d key %d", queries, window, layer, key)
                .isCloseTo(result.clean() - without, Offset.offset(1e-6));
          }
        }
      }
    }
  }

  @Test
  void hidingAKeyThatNobodySeesChangesNothing() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      var prompt = Prompt.ofIds(NUMBERS, TinyModel.idArray(1, 3));
      var result =
          AttentionKnockout.run(
              tiny.model(),
              NUMBERS,
              Question.of(prompt, 7),
              AttentionKnockout.Config.standard(tiny.model()));
      assertThat(result.effect().values()).usingComparatorWithPrecision(1e-12f).containsOnly(0);
      assertThat(result.views()).isNotEmpty();
    }
  }

  /// A whole pass with the scores overwritten number by number.
  private static double naive(
      Transformer model, Question question, int key, int first, int end, boolean asked) {
    int[] ids = question.prompt().ids();
    var sites = new TreeSet<Site>();
    for (int l = Math.max(0, first); l < Math.min(end, model.layers()); l++) {
      sites.add(Site.of(Kind.SCORES, l));
    }
    Tap tap =
        new Tap() {
          @Override
          public Set<Site> sites() {
            return sites;
          }

          @Override
          public Tensor at(Site site, Tensor value, Layout rows) {
            double[] scores = value.toDoubles();
            for (int row = 0; row < scores.length / LENGTH; row++) {
              boolean others = false;
              for (int k = 0; k < LENGTH; k++) {
                others |= k != key && scores[row * LENGTH + k] > Double.NEGATIVE_INFINITY;
              }
              if (others && (!asked || row % LENGTH == question.position())) {
                scores[row * LENGTH + key] = Double.NEGATIVE_INFINITY;
              }
            }
            return Tensor.of(scores, value.shape());
          }
        };
    try (var scope = Scope.withoutGradients()) {
      Tensor logits =
          model.forward(Tensor.of(ids, ids.length), Pass.over(Layout.single(ids.length)).with(tap));
      return logits
          .select(0, question.position())
          .logSoftmax(-1)
          .select(0, question.target())
          .item();
    }
  }
}
