package dev.fathom.explain.parts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Question;
import dev.fathom.explain.lens.LensResult;
import dev.fathom.explain.lens.LogitLens;
import dev.fathom.explain.parts.ComponentLens.Config;
import dev.fathom.explain.parts.ComponentLens.Normalization;
import dev.fathom.model.Numbers;
import dev.fathom.model.SiteAddress;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.view.Grid;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ComponentLensTest {
  private static final int LENGTH = 5;
  private static final Offset<Double> FLOATS = Offset.offset(2e-5);
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);

  static Stream<Variant> variants() {
    return TinyModels.some(DType.F64).stream();
  }

  private static Question question() {
    return Question.of(Prompt.ofIds(NUMBERS, TinyModel.idArray(LENGTH, 5)), 7);
  }

  private static ComponentLensResult lens(Transformer model, String sites, Normalization norm) {
    return ComponentLens.run(
        model, NUMBERS, question(), SiteAddress.slices(sites, model), Config.standard().with(norm));
  }

  @ParameterizedTest
  @MethodSource("variants")
  void whatTheSublayersAddIsTheirDirectAttributionAtEveryPosition(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      Grid attention = lens(model, "attn_out.all", Normalization.FROZEN).logit();
      Grid mlp = lens(model, "mlp_out.all", Normalization.FROZEN).logit();
      Grid embedding = lens(model, "resid_pre.0", Normalization.FROZEN).logit();
      for (int p = 0; p < LENGTH; p++) {
        var whole =
            DirectLogitAttribution.run(model, NUMBERS, Question.of(question().prompt(), 7).at(p));
        assertThat(embedding.at(0, p)).isCloseTo(whole.embedding(), FLOATS);
        for (int layer = 0; layer < TinyModels.LAYERS; layer++) {
          assertThat(attention.at(layer, p)).isCloseTo(whole.attention().at(layer), FLOATS);
          assertThat(mlp.at(layer, p)).isCloseTo(whole.mlp().at(layer), FLOATS);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void theOwnLensOfAStreamIsTheLogitLens(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var streams = lens(model, "resid_post.all", Normalization.OWN);
      LensResult lens =
          LogitLens.run(
              model, NUMBERS, question().prompt(), LogitLens.Config.standard().withTarget(7));
      for (int layer = 0; layer < TinyModels.LAYERS; layer++) {
        for (int p = 0; p < LENGTH; p++) {
          assertThat(streams.top().target().at(layer, p))
              .isCloseTo(lens.targetProbability().at(layer + 1, p), Offset.offset(1e-6));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void headsAreThoseOfTheAttribution(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var all = ComponentLens.heads(model, NUMBERS, question(), Config.standard());
      var one = lens(model, "head_out.1.h2", Normalization.OWN);
      var whole = DirectLogitAttribution.run(model, NUMBERS, question());
      assertThat(all.logit().shape()).containsExactly(TinyModels.LAYERS, TinyModels.HEADS);
      assertThat(one.logit().at(0, LENGTH - 1)).isCloseTo(whole.heads().at(1, 2), FLOATS);
      for (int layer = 0; layer < TinyModels.LAYERS; layer++) {
        for (int head = 0; head < TinyModels.HEADS; head++) {
          assertThat(all.logit().at(layer, head)).isCloseTo(whole.heads().at(layer, head), FLOATS);
        }
      }
      assertThat(one.top().target().at(0, LENGTH - 1))
          .isCloseTo(all.top().target().at(1, 2), FLOATS);
    }
  }

  @Test
  void whatIsNotInTheStreamIsRefused() {
    try (var scope = Scope.withoutGradients();
        var llama = TinyModels.llama(DType.F32);
        var neox = TinyModels.neox(DType.F32)) {
      assertThatThrownBy(() -> lens(llama.model(), "mlp_act.1", Normalization.OWN))
          .hasMessageContaining("neither a stream nor added to one");
      assertThatThrownBy(() -> lens(neox.model(), "resid_mid.all", Normalization.OWN))
          .hasMessageContaining("no stream between them");
    }
  }
}
