package dev.fathom.explain.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Runs;
import dev.fathom.model.Kind;
import dev.fathom.model.Numbers;
import dev.fathom.model.Site;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Grid;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class TokenMixingTest {
  private static final int LENGTH = 6;
  private static final Numbers NUMBERS = new Numbers(TinyModels.VOCABULARY);

  static Stream<Variant> variants() {
    return TinyModels.some(DType.F64).stream();
  }

  private static Prompt prompt(int length) {
    return Prompt.ofIds(NUMBERS, TinyModel.idArray(length, 3));
  }

  @ParameterizedTest
  @MethodSource("variants")
  void whatPositionsGiveAndTheBiasesMakeTheStreamAfterAttention(Variant variant) {
    try (var tiny = TinyModels.of(variant);
        var scope = Scope.withoutGradients()) {
      Transformer model = tiny.model();
      int[] ids = TinyModel.idArray(LENGTH, 3);
      Runs runs = Runs.of(model, ids, Kind.RESID_MID, Kind.ATTN_OUT);
      new Walk(model, List.of(ids), Set.of(Kind.PATTERN, Kind.V, Kind.ATTN_RAW, Kind.ATTN_OUT))
          .each((layer, seen) -> {
            var given = new TokenMixing.Given(model.blocks().get(layer), seen);
            Tensor bias = given.bias();
            Tensor whole = given.whole();
            if (model.refusal(Site.of(Kind.RESID_MID, layer)).isEmpty()) {
              assertClose(whole, runs.at(Kind.RESID_MID, layer, 0));
            }
            given.chunked((vectors, from) -> {
              long count = vectors.size(1);
              Tensor own = bias.size(0) == 1 ? bias : bias.narrow(0, from, count);
              assertClose(vectors.sum(0, false).add(own), whole.narrow(0, from, count));
              return vectors.norm(-1, false);
            });
          });
    }
  }

  private static void assertClose(Tensor found, Tensor expected) {
    assertThat(found.sub(expected).abs().max().item())
        .isLessThan(1e-9 * Math.max(1, expected.abs().max().item()));
  }

  @ParameterizedTest
  @MethodSource("variants")
  void rowsSumToOneAndNothingComesFromLaterTokens(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      for (var method : TokenMixing.Method.values()) {
        var result = TokenMixing.run(tiny.model(), NUMBERS, prompt(LENGTH), LENGTH - 1, method);
        for (int layer = 0; layer < tiny.model().layers(); layer++) {
          assertShares(result.layers().select(0, layer), variant.causal());
        }
        assertShares(result.total(), variant.causal());
        assertThat(result.views()).isNotEmpty();
      }
    }
  }

  private static void assertShares(Grid shares, boolean causal) {
    for (int q = 0; q < LENGTH; q++) {
      double sum = 0;
      for (int k = 0; k < LENGTH; k++) {
        assertThat(shares.at(q, k)).isBetween(0.0, 1 + 1e-6);
        if (causal && k > q) {
          assertThat(shares.at(q, k)).isZero();
        }
        sum += shares.at(q, k);
      }
      assertThat(sum).isCloseTo(1, org.assertj.core.data.Offset.offset(1e-5));
    }
  }

  @ParameterizedTest
  @EnumSource(TokenMixing.Method.class)
  void aTokenAloneIsItsOwnOrigin(TokenMixing.Method method) {
    try (var tiny = TinyModels.llama(DType.F64)) {
      var result = TokenMixing.run(tiny.model(), NUMBERS, prompt(1), 0, method);
      assertThat(result.total().at(0, 0)).isEqualTo(1);
      assertThat(result.totalWithoutFirst().at(0, 0)).isNaN();
      assertThat(result.views()).isNotEmpty();
    }
  }

  @Test
  void rolloutIsTheProductOfHalvedPatterns() {
    try (var tiny = TinyModels.gemma(DType.F64)) {
      Prompt prompt = prompt(LENGTH);
      Grid attention = AttentionPatterns.run(tiny.model(), NUMBERS, prompt).attention();
      double[][] product = new double[LENGTH][LENGTH];
      for (int i = 0; i < LENGTH; i++) {
        product[i][i] = 1;
      }
      for (int layer = 0; layer < TinyModels.LAYERS; layer++) {
        double[][] next = new double[LENGTH][LENGTH];
        for (int q = 0; q < LENGTH; q++) {
          for (int m = 0; m < LENGTH; m++) {
            double mixed = q == m ? 0.5 : 0;
            for (int head = 0; head < TinyModels.HEADS; head++) {
              mixed += 0.5 / TinyModels.HEADS * attention.at(layer, head, q, m);
            }
            for (int k = 0; k < LENGTH; k++) {
              next[q][k] += mixed * product[m][k];
            }
          }
        }
        product = next;
      }
      var result = TokenMixing.run(tiny.model(), NUMBERS, prompt, 2, TokenMixing.Method.ROLLOUT);
      for (int q = 0; q < LENGTH; q++) {
        double rest = 1 - product[q][0];
        for (int k = 0; k < LENGTH; k++) {
          var near = org.assertj.core.data.Offset.offset(1e-6);
          assertThat(result.total().at(q, k)).isCloseTo(product[q][k], near);
          if (k > 0 && q > 0) {
            assertThat(result.totalWithoutFirst().at(q, k)).isCloseTo(product[q][k] / rest, near);
          }
        }
      }
    }
  }

  @Test
  void altiSeesWhoMakesTheSumAndNormsWhoIsLong() {
    try (var tiny = TinyModels.llama(DType.F64);
        var scope = Scope.withoutGradients()) {
      Transformer model = tiny.model();
      int[] ids = TinyModel.idArray(LENGTH, 3);
      var alti = TokenMixing.run(model, NUMBERS, prompt(LENGTH), 0, TokenMixing.Method.ALTI);
      var norms = TokenMixing.run(model, NUMBERS, prompt(LENGTH), 0, TokenMixing.Method.NORMS);
      Runs runs = Runs.of(model, ids, Kind.PATTERN, Kind.V, Kind.RESID_MID, Kind.ATTN_OUT);
      int layer = 1;
      int query = 4;
      Tensor pattern = runs.at(Kind.PATTERN, layer, 0);
      Tensor values = runs.at(Kind.V, layer, 0); // [tokens, 2, width]
      var maps = model.blocks().get(layer).attention().maps();
      Tensor y = runs.at(Kind.RESID_MID, layer, 0, query).select(0, 0);
      double[] closer = new double[LENGTH];
      double[] length = new double[LENGTH];
      for (int key = 0; key < LENGTH; key++) {
        Tensor given = Tensor.zeros(DType.F64, 1, TinyModels.D_MODEL);
        for (int head = 0; head < TinyModels.HEADS; head++) {
          Tensor value = values.narrow(0, key, 1).select(1, head / 2); // [1, width]
          double weight = pattern.select(0, head).select(0, query).select(0, key).item();
          given = given.add(value.matmul(maps.out().select(0, head)).mul(weight));
        }
        assertThat(norms.lengths().orElseThrow().at(layer, query, key))
            .isCloseTo(given.norm(-1, false).item(), org.assertj.core.data.Offset.offset(1e-6));
        Tensor vector =
            given.select(0, 0).add(runs.stream(layer).select(0, query).mul(key == query ? 1 : 0));
        closer[key] = Math.max(0, y.abs().sum().item() - y.sub(vector).abs().sum().item());
        length[key] = Math.sqrt(vector.square().sum().item());
      }
      double all = java.util.Arrays.stream(closer).sum();
      double lengths = java.util.Arrays.stream(length).sum();
      for (int key = 0; key < LENGTH; key++) {
        var near = org.assertj.core.data.Offset.offset(1e-6);
        assertThat(alti.layers().at(layer, query, key)).isCloseTo(closer[key] / all, near);
        assertThat(norms.layers().at(layer, query, key)).isCloseTo(length[key] / lengths, near);
      }
    }
  }

  @Test
  void aPositionOutsideThePromptIsRefused() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      assertThatThrownBy(
              () -> TokenMixing.run(tiny.model(), NUMBERS, prompt(3), 3, TokenMixing.Method.ALTI))
          .hasMessage("Position 3 is not in the prompt, which has tokens 0 to 2.");
    }
  }
}
