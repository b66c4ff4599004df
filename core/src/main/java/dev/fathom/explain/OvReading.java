package dev.fathom.explain;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.Kind;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.List;
import java.util.stream.IntStream;

/// What does a head write when it looks at a token? The vocabulary reading of `n W_V W_O`, n being
/// what attention reads there: which tokens it makes likelier and which less, and at which rank the
/// token itself stands (0: the head copies it) (Elhage et al. 2021).
///
/// Numbers are logits before the division by the final norm's scale, biases left out: compare them
/// within a head. It misleads in early layers, whose writing other layers read before the head of
/// the model does.
public final class OvReading {
  private OvReading() {}

  /// What stands for a token.
  public enum Source {
    /// Its embedding alone, without position: the same in every prompt.
    EMBEDDING("embedding"),
    /// The stream at its position, with all that has been mixed in before this layer.
    STREAM("stream");

    private final String text;

    Source(String text) {
      this.text = text;
    }

    public String text() {
      return text;
    }

    /// What attention of a layer reads of each token of a prompt, in the current scope.
    Tensor read(Transformer model, int[] ids, int layer) {
      if (this == STREAM) {
        return Runs.of(model, ids, Kind.ATTN_IN).at(Kind.ATTN_IN, layer, 0);
      }
      long[] words = IntStream.of(ids).asLongStream().toArray();
      return new HeadMaps(model, layer).read(HeadMaps.words(model, words));
    }
  }

  /// @param top tokens to name on either side
  public static OvReadingResult run(
      Transformer model, Tokenizer tokenizer, Prompt prompt, HeadIndex head, Source source, int top) {
    long start = System.nanoTime();
    head.in(model);
    int[] ids = prompt.ids();
    var names = new Names(model, tokenizer);
    try (var scope = Scope.withoutGradients()) {
      Tensor written =
          new HeadMaps(model, head.layer())
              .written(source.read(model, ids, head.layer()))
              .select(0, head.head()); // [tokens, dModel]
      Tensor logits = HeadMaps.vocabulary(model, written); // [tokens, vocab]
      int shown = Math.min(top, model.outputs());
      Tensor.TopK most = logits.topK(shown, -1);
      Tensor.TopK least = logits.neg().topK(shown, -1);
      List<String> tokens = names.tokens(prompt);
      Axis positions = Axis.of("position", tokens);
      List<Axis> axes = List.of(positions, Axis.index("rank", shown));
      return new OvReadingResult(
          Provenances.of(
              model,
              prompt,
              tokens,
              (System.nanoTime() - start) / 1e9,
              "head",
              head.toString(),
              "source",
              source.text()),
          head,
          Grid.integer(List.of(positions), ranks(logits, ids)),
          Grid.integer(axes, most.indices().toLongs()),
          Grid.real(axes, most.values().toFloats()),
          Grid.integer(axes, least.indices().toLongs()),
          Grid.real(axes, least.values().neg().toFloats()),
          named(names, most.indices(), shown),
          named(names, least.indices(), shown));
    }
  }

  /// How many tokens have a larger logit than each row's own.
  static long[] ranks(Tensor logits, int[] ids) {
    Tensor own = logits.gather(1, Tensor.of(ids, ids.length, 1));
    float[] above = logits.gt(own).to(DType.F32).sum(1, false).toFloats();
    long[] ranks = new long[ids.length];
    for (int i = 0; i < ranks.length; i++) {
      ranks[i] = Math.round(above[i]);
    }
    return ranks;
  }

  static List<List<String>> named(Names names, Tensor indices, int each) {
    long[] ids = indices.toLongs();
    return IntStream.range(0, ids.length / each)
        .mapToObj(row ->
            IntStream.range(0, each).mapToObj(i -> names.output((int) ids[row * each + i])).toList())
        .toList();
  }
}
