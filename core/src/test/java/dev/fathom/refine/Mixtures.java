package dev.fathom.refine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.Stream;

/// Mixtures of tiny models, and what tests of speaking models share. All tensors are in the current
/// scope.
final class Mixtures {
  private Mixtures() {}

  /// Models of every block order that predicts next tokens.
  static Stream<Function<DType, TinyModel>> families() {
    return Stream.of(
        TinyModels::llama,
        TinyModels::gpt2,
        TinyModels::neox,
        TinyModels::gemma,
        TinyModels::bloom);
  }

  /// Router and norms at random, wide enough that routes differ from token to token.
  static Mod random(Transformer model, Mod.Config config, long seed) {
    return Mod.over(model, config, tensors(model, config, seed));
  }

  /// What such a mixture consists of.
  static LinkedHashMap<String, Tensor> tensors(Transformer model, Mod.Config config, long seed) {
    var random = new Random(seed);
    var tensors = new LinkedHashMap<String, Tensor>();
    Mod.shapes(model, config)
        .forEach((name, shape) -> {
          long[] sizes = shape.stream().mapToLong(Long::longValue).toArray();
          int n = (int) Arrays.stream(sizes).reduce(1, (a, b) -> a * b);
          double centre = name.startsWith("norm") && name.endsWith("weight") ? 1 : 0;
          double[] values = random.doubles(n, centre - 0.7, centre + 0.7).toArray();
          tensors.put(name, Tensor.of(values, sizes).to(wide(model)));
        });
    return tensors;
  }

  static DType wide(Transformer model) {
    return model.card().dtype() == DType.F64 ? DType.F64 : DType.F32;
  }

  static Tensor logits(LanguageModel model, int[] ids) {
    return model.logits(Tensor.of(ids, ids.length), Layout.single(ids.length), Wanted.ALL);
  }

  static Tensor logits(LanguageModel model, List<int[]> rows) {
    int[] ids = rows.stream().flatMapToInt(Arrays::stream).toArray();
    int[] lengths = rows.stream().mapToInt(row -> row.length).toArray();
    return model.logits(Tensor.of(ids, ids.length), Layout.rows(lengths), Wanted.ALL);
  }

  static void assertClose(Tensor found, Tensor expected, double tolerance) {
    assertThat(found.shape()).containsExactly(expected.shape());
    double largest = Math.max(1, expected.abs().max().item());
    assertThat(found.sub(expected).abs().max().item()).isLessThanOrEqualTo(tolerance * largest);
  }
}
