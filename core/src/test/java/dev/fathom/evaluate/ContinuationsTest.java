package dev.fathom.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.tensor.DType;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ContinuationsTest {
  static Stream<Variant> decoders() {
    return TinyModels.some(DType.F32).stream().filter(Variant::causal);
  }

  /// Some that begin alike, one that is the beginning of another, equal ones, one of one token.
  private static final List<List<int[]>> CONTINUATIONS =
      List.of(
          List.of(ids(1, 2, 3), ids(1, 2, 4, 5), ids(1, 2), ids(7)),
          List.of(ids(9, 9), ids(9, 9)),
          List.of(ids(3)));

  private static final List<int[]> PROMPTS =
      IntStream.of(12, 5, 1).mapToObj(n -> TinyModel.idArray(n, n)).toList();

  private static int[] ids(int... ids) {
    return ids;
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void eachContinuationGetsWhatTheWholeRowGives(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      var found = Continuations.of(tiny.model(), PROMPTS, CONTINUATIONS);
      for (int p = 0; p < PROMPTS.size(); p++) {
        int[] prompt = PROMPTS.get(p);
        assertThat(found.get(p)).hasSameSizeAs(CONTINUATIONS.get(p));
        for (int c = 0; c < found.get(p).size(); c++) {
          int[] more = CONTINUATIONS.get(p).get(c);
          int[] row = IntStream.concat(IntStream.of(prompt), IntStream.of(more)).toArray();
          float[] whole =
              Likelihood.of(tiny.model(), List.of(row), Likelihood.Config.standard()).getFirst();
          float[] expected = Arrays.copyOfRange(whole, prompt.length - 1, whole.length);
          assertThat(found.get(p).get(c)).hasSameSizeAs(expected);
          for (int i = 0; i < expected.length; i++) {
            assertThat(found.get(p).get(c)[i]).isCloseTo(expected[i], within(1e-5f));
          }
        }
      }
    }
  }

  @Test
  void whatCannotBeReadIsRefused() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var model = tiny.model();
      int[] full = TinyModel.idArray(TinyModels.CONTEXT, 1);
      assertThat(Continuations.of(model, List.of(full), List.of(List.of(ids(1))))).hasSize(1);
      assertThat(Continuations.of(model, List.of(), List.of())).isEmpty();
      assertThatThrownBy(() -> Continuations.of(model, List.of(full), List.of(List.of(ids(1, 2)))))
          .hasMessageContaining("prompt 0 has 66 tokens with its continuation")
          .hasMessageContaining("at most 65");
      for (var bad : List.of(List.of(ids()), List.<int[]>of())) {
        assertThatThrownBy(() -> Continuations.of(model, List.of(ids(1)), List.of(bad)))
            .hasMessageContaining("need at least one token");
      }
      assertThatThrownBy(() -> Continuations.of(model, List.of(full), List.of()))
          .hasMessageContaining("0 prompts have continuations, but there are 1");
    }
  }
}
