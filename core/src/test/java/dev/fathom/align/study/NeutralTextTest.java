package dev.fathom.align.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.Fittings;
import dev.fathom.align.Remedy;
import dev.fathom.edit.Edits;
import dev.fathom.edit.Zeroing;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.model.Kind;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class NeutralTextTest {
  /// Rows around the limits of what is compared, some of which begin alike.
  private static List<int[]> rows(int vocabulary, int longest) {
    var random = new Random(4);
    int[] common = random.ints(longest, 0, vocabulary).toArray();
    var rows = new ArrayList<int[]>();
    for (int length : List.of(2, Math.min(128, longest), Math.min(129, longest), 5, 7, 3)) {
      int[] row = random.ints(length, 0, vocabulary).toArray();
      if (length > 3) {
        System.arraycopy(common, 0, row, 0, length / 2);
      }
      rows.add(row);
    }
    return rows;
  }

  private static NeutralText.Found found(
      NeutralText text, Transformer changed, Optional<Transformer> transformer) {
    return text.of(new Remedy.Treated(changed, TokenScorer.of(changed), transformer, () -> {}));
  }

  /// In one pass as by each measure alone.
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F64"})
  void bothMeasuresAtOnce(DType dtype) {
    try (Transformer model = Fittings.load("llama", dtype);
        Transformer changed =
            Edits.apply(
                model,
                List.of(Zeroing.of(model, List.of(Slice.of(Kind.MLP_ACT, 1).neurons(0, 2, 5)))))) {
      var text = new NeutralText(model, rows(model.outputs(), model.card().context()));
      NeutralText.Found fast = found(text, changed, Optional.of(changed));
      NeutralText.Found plain = found(text, changed, Optional.empty());
      double tolerance = dtype == DType.F64 ? 1e-6 : 1e-4; // scores of tokens are floats
      assertThat(fast.perplexity())
          .isCloseTo(plain.perplexity(), within(tolerance * plain.perplexity()));
      assertThat(plain.divergence()).isPositive();
      assertThat(fast.divergence())
          .isCloseTo(plain.divergence(), within(tolerance * plain.divergence()));
      NeutralText.Found same = found(text, model, Optional.of(model));
      assertThat(same.divergence()).isZero();
      assertThat(same.perplexity()).isNotEqualTo(fast.perplexity());
    }
  }
}
