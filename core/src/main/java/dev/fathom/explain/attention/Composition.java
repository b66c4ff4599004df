package dev.fathom.explain.attention;

import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.HeadIndex;
import dev.fathom.model.Attention;
import dev.fathom.model.PostNormBlock;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/// Which heads are made to read what which earlier heads write? Between head a and a head b of a
/// later layer, from the weights alone (Elhage et al. 2021):
///
///     ‖W_OV^a W_X^b‖_F / (‖W_OV^a‖_F ‖W_X^b‖_F)      row vectors: x W
///     W_X = W_Q W_Kᵀ for queries, its transpose for keys, W_OV for values
///
/// Gains of the norms before attention (and after it, in sandwich blocks) belong to the weights, and
/// LayerNorm's centring too. Computed from the factors, never as `[dModel, dModel]` products.
///
/// It misleads in absolute terms: random maps of rank r already score about `1/√dModel`, and a high
/// score says that b could read a, not that it does. Rotations, query and key norms are left out.
public final class Composition {
  private Composition() {}

  /// What of the later head reads.
  public enum Input {
    QUERY("q", "queries"),
    KEY("k", "keys"),
    VALUE("v", "values");

    private final String text;
    private final String title;

    Input(String text, String title) {
      this.text = text;
      this.title = title;
    }

    public String text() {
      return text;
    }

    public String title() {
      return title;
    }
  }

  /// `W_X = readᵀ other`, both `[heads, width, dModel]`, with what all pairs need of it.
  private record Reader(Tensor read, Tensor gram, Tensor norm) {
    /// @param other the second factor
    static Reader of(Tensor read, Tensor other) {
      Tensor gram = squared(other);
      return new Reader(read, gram, squared(read).mul(gram).sum(2, false).sum(1, false).sqrt());
    }
  }

  /// `W_OV = vᵀ out`, likewise.
  private record Writer(Tensor out, Tensor gram, Tensor norm) {
    static Writer of(Attention.Maps maps) {
      Tensor gram = squared(maps.v());
      Tensor norm = gram.mul(squared(maps.out())).sum(2, false).sum(1, false).sqrt();
      return new Writer(maps.out(), gram, norm);
    }
  }

  private static Tensor squared(Tensor factor) {
    return factor.matmul(factor.transpose(1, 2)); // [heads, width, width]
  }

  /// Scores of all pairs of heads.
  ///
  /// @param head the later head to draw, or none for the strongest pairs
  /// @throws IllegalArgumentException on post-norm blocks
  public static CompositionResult run(Transformer model, Optional<HeadIndex> head) {
    long start = System.nanoTime();
    head.ifPresent(h -> h.in(model));
    if (model.blocks().stream().anyMatch(PostNormBlock.class::isInstance)) {
      throw new IllegalArgumentException(
          "%s models normalise the stream anew after every sublayer: what a head writes does not reach later heads by weights alone."
              .formatted(model.card().family()));
    }
    int layers = model.layers();
    int heads = HeadIndex.count(model);
    int all = layers * heads;
    SequencedMap<Input, float[]> scores = new LinkedHashMap<>();
    for (Input input : Input.values()) {
      float[] values = new float[all * all];
      Arrays.fill(values, Float.NaN);
      scores.put(input, values);
    }
    try (var scope = Scope.withoutGradients()) {
      for (int from = 0; from < layers - 1; from++) {
        try (var earlier = Scope.open()) {
          var sender = Writer.of(new HeadMaps(model, from).folded());
          for (int to = from + 1; to < layers; to++) {
            try (var pair = Scope.open()) {
              Attention.Maps b = new HeadMaps(model, to).folded();
              for (Input input : Input.values()) {
                Reader reader =
                    switch (input) {
                      case QUERY -> Reader.of(b.q(), b.k());
                      case KEY -> Reader.of(b.k(), b.q());
                      case VALUE -> Reader.of(b.v(), b.out());
                    };
                float[] own = between(sender, reader).toFloats();
                for (int i = 0; i < heads; i++) {
                  int at = (from * heads + i) * all + to * heads;
                  System.arraycopy(own, i * heads, scores.get(input), at, heads);
                }
              }
            }
          }
        }
      }
    }
    List<String> names =
        IntStream.range(0, all)
            .mapToObj(i -> new HeadIndex(i / heads, i % heads).toString())
            .toList();
    SequencedMap<Input, Grid> grids = new LinkedHashMap<>();
    scores.forEach((input, values) ->
        grids.put(input, Grid.real(List.of(Axis.of("from", names), Axis.of("to", names)), values)));
    return new CompositionResult(
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "head",
            head.map(HeadIndex::toString).orElse("all")),
        heads,
        head,
        grids);
  }

  /// `[heads of a, heads of b]`: with M = out^a readᵀ, the square is `tr(V M O Mᵀ)`, V and O being
  /// the products of the outer factors with themselves.
  private static Tensor between(Writer a, Reader b) {
    long heads = a.out.size(0);
    long width = a.out.size(1);
    Tensor m =
        a.out
            .flatten(0, 1)
            .matmul(b.read.flatten(0, 1).transpose(0, 1))
            .view(heads, width, heads, width)
            .permute(0, 2, 1, 3); // [heads, heads, width, width]
    Tensor product =
        a.gram
            .unsqueeze(1)
            .matmul(m)
            .mul(m.matmul(b.gram.unsqueeze(0)))
            .sum(3, false)
            .sum(2, false)
            .relu() // rounding of 0
            .sqrt();
    return product.div(a.norm.unsqueeze(1)).div(b.norm.unsqueeze(0));
  }
}
