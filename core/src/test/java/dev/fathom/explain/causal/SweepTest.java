package dev.fathom.explain.causal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.explain.Runs;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Taps;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Sweeps against the naive loop: a whole forward pass for every row.
class SweepTest {
  private static final int LENGTH = 7;

  static Stream<Variant> variants() {
    return TinyModels.some(DType.F64).stream();
  }

  @ParameterizedTest
  @MethodSource("variants")
  void everyRowEqualsItsOwnForwardPass(Variant variant) {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      int[] ids = TinyModels.TinyModel.idArray(LENGTH, 5);
      Runs runs = Runs.of(model, ids, Kind.ATTN_OUT);
      int position = model.card().causal() ? LENGTH - 1 : 2;
      List<Sweep.Row> rows = rows(model, variant.seed());
      Tensor streams = new Sweep(model, runs, position).run(rows);
      Tensor logits = model.head().of(streams);
      for (int r = 0; r < rows.size(); r++) {
        double[] expected = naive(model, ids, rows.get(r), position);
        assertThat(logits.select(0, r).toDoubles())
            .as(rows.get(r).toString())
            .usingComparatorWithPrecision(1e-9)
            .containsExactly(expected);
      }
      // neither the budget nor the order changes anything
      Tensor split = new Sweep(model, runs, position).within(1 << 20).run(rows.reversed());
      assertThat(split.flip(0).sub(streams).abs().max().item()).isLessThan(1e-10);
    }
  }

  @Test
  void aBudgetTooSmallForOneRowIsRefused() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.llama(DType.F32)) {
      Runs runs = Runs.of(tiny.model(), TinyModels.TinyModel.idArray(LENGTH, 5));
      Sweep sweep = new Sweep(tiny.model(), runs, LENGTH - 1).within(1000);
      assertThatThrownBy(() -> sweep.run(rows(tiny.model(), 1)))
          .hasMessageContaining("more than the memory budget");
    }
  }

  /// Changes of every sort at every layer.
  private static List<Sweep.Row> rows(Transformer model, long seed) {
    var random = new Random(seed);
    var rows = new ArrayList<Sweep.Row>();
    for (int layer = 0; layer < model.layers(); layer++) {
      for (int p = 0; p < LENGTH; p++) {
        for (Kind kind :
            List.of(
                Kind.RESID_PRE,
                Kind.Q,
                Kind.K,
                Kind.V,
                Kind.Z,
                Kind.ATTN_OUT,
                Kind.MLP_IN,
                Kind.MLP_ACT,
                Kind.MLP_OUT,
                Kind.RESID_POST)) {
          if (model.refusal(Site.of(kind, layer)).isEmpty()) {
            Slice slice = Slice.of(kind, layer).at(p);
            if (kind == Kind.Z) {
              slice = slice.heads(random.nextInt(4));
            } else if (kind == Kind.MLP_ACT) {
              slice = slice.neurons(random.nextInt(32));
            }
            rows.add(
                Sweep.Row.of(
                    0,
                    p,
                    random.nextBoolean()
                        ? new Intervention.Zero(slice)
                        : new Intervention.Scale(slice, 1.5)));
          }
        }
      }
      // a head everywhere, and a window of layers at one position
      rows.add(Sweep.Row.of(0, 0, new Intervention.Zero(Slice.of(Kind.Z, layer).heads(1))));
      var window = new ArrayList<Intervention>();
      for (int l = layer; l < model.layers(); l++) {
        window.add(new Intervention.Scale(Slice.of(Kind.MLP_OUT, l).at(3), 0.3));
      }
      rows.add(new Sweep.Row(0, layer, 3, window));
      rows.add(
          Sweep.Row.of(
              0,
              0,
              new Intervention.Change(
                  Slice.of(Kind.SCORES, layer).heads(2), scores -> scores.mul(0.5))));
    }
    return rows;
  }

  private static double[] naive(Transformer model, int[] ids, Sweep.Row row, int position) {
    try (var scope = Scope.withoutGradients()) {
      Tensor logits =
          model.forward(
              Tensor.of(ids, ids.length),
              Pass.over(Layout.single(ids.length)).with(Taps.of(row.changes())));
      return logits.select(0, position).toDoubles();
    }
  }
}
