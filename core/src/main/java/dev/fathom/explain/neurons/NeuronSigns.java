package dev.fathom.explain.neurons;

import dev.fathom.evaluate.Provenances;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// Does a neuron write along its value vector or against it? Over the tokens of some texts: how
/// often its activation m is positive and negative, its mean, and its mean size (spec explain.md
/// section 6). A neuron that is usually negative promotes the tokens that its static reading calls
/// suppressed.
///
/// A smooth activation (GELU, SiLU) is slightly negative almost everywhere, so that the share of
/// signs says little without the means: compare `E m` with `E |m|`.
public final class NeuronSigns {
  private static final int MOST_TOKENS = 1024;

  private NeuronSigns() {}

  /// @param texts token ids of the texts, at least one
  /// @param skipFirst whether the first token of each is left out, as start tokens have activations
  ///   of their own kind
  public static NeuronSignResult run(Transformer model, List<int[]> texts, boolean skipFirst) {
    long start = System.nanoTime();
    int layers = model.layers();
    int width = (int) model.blocks().getFirst().mlp().out().in();
    try (var scope = Scope.withoutGradients()) {
      Tensor positive = Tensor.zeros(DType.F64, layers, width);
      Tensor negative = Tensor.zeros(DType.F64, layers, width);
      Tensor sum = Tensor.zeros(DType.F64, layers, width);
      Tensor sizes = Tensor.zeros(DType.F64, layers, width);
      long tokens = 0;
      Set<Site> sites =
          IntStream.range(0, layers)
              .mapToObj(layer -> Site.of(Kind.MLP_ACT, layer))
              .collect(Collectors.toSet());
      for (List<int[]> batch : batches(texts)) {
        try (var inner = Scope.withoutGradients()) {
          int[] ids = batch.stream().flatMapToInt(Arrays::stream).toArray();
          Layout layout = Layout.rows(batch.stream().mapToInt(text -> text.length).toArray());
          long[] counted = counted(layout, skipFirst);
          if (counted.length == 0) {
            continue;
          }
          tokens += counted.length;
          Pass pass =
              Pass.over(layout)
                  .with(
                      Taps.capture(
                          sites,
                          (site, value, _) -> {
                            Tensor m = value.indexSelect(0, counted).to(DType.F64);
                            Tensor zero = Tensor.zeros(DType.F64, 1);
                            int layer = site.layer();
                            positive
                                .select(0, layer)
                                .addInPlace(m.gt(zero).to(DType.F64).sum(0, false));
                            negative
                                .select(0, layer)
                                .addInPlace(m.lt(zero).to(DType.F64).sum(0, false));
                            sum.select(0, layer).addInPlace(m.sum(0, false));
                            sizes.select(0, layer).addInPlace(m.abs().sum(0, false));
                          }));
          model.stream(Tensor.of(ids, ids.length), pass);
        }
      }
      if (tokens == 0) {
        throw new IllegalArgumentException(
            "There is no token to count: the texts are empty, or have only a start token.");
      }
      List<Axis> axes = List.of(Axis.index("layer", layers), Axis.index("neuron", width));
      return new NeuronSignResult(
          Provenances.of(
              model,
              (System.nanoTime() - start) / 1e9,
              "texts",
              Integer.toString(texts.size()),
              "tokens",
              Long.toString(tokens)),
          tokens,
          Grid.real(axes, positive.div(tokens).toFloats()),
          Grid.real(axes, negative.div(tokens).toFloats()),
          Grid.real(axes, sum.div(tokens).toFloats()),
          Grid.real(axes, sizes.div(tokens).toFloats()));
    }
  }

  private static List<List<int[]>> batches(List<int[]> texts) {
    var batches = new ArrayList<List<int[]>>();
    var batch = new ArrayList<int[]>();
    int tokens = 0;
    for (int[] text : texts) {
      if (!batch.isEmpty() && tokens + text.length > MOST_TOKENS) {
        batches.add(List.copyOf(batch));
        batch.clear();
        tokens = 0;
      }
      batch.add(text);
      tokens += text.length;
    }
    if (!batch.isEmpty()) {
      batches.add(batch);
    }
    return batches;
  }

  private static long[] counted(Layout layout, boolean skipFirst) {
    long[] positions = layout.positions();
    return IntStream.range(0, positions.length)
        .filter(i -> !skipFirst || positions[i] > 0)
        .asLongStream()
        .toArray();
  }
}
