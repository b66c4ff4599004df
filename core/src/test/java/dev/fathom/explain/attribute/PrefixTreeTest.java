package dev.fathom.explain.attribute;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Taps;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Rows that share beginnings against a whole forward pass for each.
class PrefixTreeTest {
  static Stream<Variant> variants() {
    return TinyModels.some(DType.F64).stream();
  }

  @ParameterizedTest
  @MethodSource("variants")
  void everyRowEqualsItsOwnForwardPass(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var random = new Random(variant.seed());
      Tensor filler = Tensor.of(random.doubles(TinyModels.D_MODEL).toArray(), TinyModels.D_MODEL);
      int[] ids = TinyModels.TinyModel.idArray(7, 5);
      var rows = new ArrayList<PrefixTree.Row>();
      for (int i = 0; i < 60; i++) {
        int[] cells = java.util.Arrays.copyOf(ids, 3 + random.nextInt(5));
        int from = random.nextInt(cells.length + 1);
        for (int p = from; p < cells.length; p++) {
          cells[p] = random.nextBoolean() ? cells[p] : random.nextBoolean() ? 9 : PrefixTree.FILLED;
        }
        rows.add(new PrefixTree.Row(cells, model.card().causal() ? cells.length - 1 : 1));
      }
      var tree = new PrefixTree(model, filler);
      Tensor streams = tree.streams(rows);
      for (int r = 0; r < rows.size(); r++) {
        assertThat(model.head().of(streams.narrow(0, r, 1)).toDoubles())
            .as("row %d", r)
            .usingComparatorWithPrecision(1e-9)
            .containsExactly(naive(model, rows.get(r), filler));
      }
      Tensor split = tree.within(20 << 10).streams(rows.reversed());
      assertThat(split.flip(0).sub(streams).abs().max().item()).isLessThan(1e-10);
    }
  }

  private static double[] naive(Transformer model, PrefixTree.Row row, Tensor filler) {
    try (var scope = Scope.withoutGradients()) {
      int[] ids = java.util.Arrays.stream(row.cells()).map(c -> Math.max(0, c)).toArray();
      Tap tap = Tap.NONE;
      for (int p = 0; p < ids.length; p++) {
        if (row.cells()[p] < 0) {
          tap = tap.then(Taps.set(Slice.of(Site.of(Kind.EMBED)).at(p), filler));
        }
      }
      Tensor logits =
          model.forward(Tensor.of(ids, ids.length), Pass.over(Layout.single(ids.length)).with(tap));
      return logits.select(0, row.position()).toDoubles();
    }
  }
}
