package dev.fathom.explain.attention;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.HeadIndex;
import dev.fathom.explain.Names;
import dev.fathom.explain.Runs;
import dev.fathom.model.Kind;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.TokenDisplay;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.Arrays;
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
      Transformer model,
      Tokenizer tokenizer,
      Prompt prompt,
      HeadIndex head,
      Source source,
      int top) {
    long start = System.nanoTime();
    head.in(model);
    int[] ids = prompt.ids();
    var names = new Names(model, tokenizer);
    try (var scope = Scope.withoutGradients()) {
      Tensor written =
          new HeadMaps(model, head.layer())
              .written(source.read(model, ids, head.layer()))
              .select(0, head.head()); // [tokens, dModel]
      int shown = Math.min(top, model.outputs());
      var most = new Best(ids.length, shown);
      var least = new Best(ids.length, shown);
      long[] ranks = new long[ids.length];
      int chunk = HeadMaps.rowsAtOnce(model);
      for (int from = 0; from < ids.length; from += chunk) {
        try (var part = Scope.open()) {
          int count = Math.min(chunk, ids.length - from);
          Tensor logits = HeadMaps.vocabulary(model, written.narrow(0, from, count));
          most.take(from, logits.topK(shown, -1), 1);
          least.take(from, logits.neg().topK(shown, -1), -1);
          long[] own = ranks(logits, Arrays.copyOfRange(ids, from, from + count));
          System.arraycopy(own, 0, ranks, from, count);
        }
      }
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
          Grid.integer(List.of(positions), ranks),
          Grid.integer(axes, most.ids),
          Grid.real(axes, most.values),
          Grid.integer(axes, least.ids),
          Grid.real(axes, least.values),
          most.named(tokenizer),
          least.named(tokenizer));
    }
  }

  /// The tokens with the best values of some rows, gathered chunk by chunk.
  static final class Best {
    final long[] ids;
    final float[] values;
    private final int each;

    Best(int rows, int each) {
      if (each < 1) {
        throw new IllegalArgumentException("At least 1 token is to be named, found " + each + ".");
      }
      this.each = each;
      this.ids = new long[rows * each];
      this.values = new float[rows * each];
    }

    /// Takes those of rows from `from` on, values times `sign`.
    void take(int from, Tensor.TopK best, int sign) {
      long[] found = best.indices().toLongs();
      System.arraycopy(found, 0, ids, from * each, found.length);
      float[] own = best.values().toFloats();
      for (int i = 0; i < own.length; i++) {
        values[from * each + i] = sign * own[i];
      }
    }

    List<List<String>> named(Tokenizer tokenizer) {
      return IntStream.range(0, ids.length / each)
          .mapToObj(row ->
              Arrays.stream(ids, row * each, (row + 1) * each)
                  .mapToObj(id -> TokenDisplay.of(tokenizer, (int) id))
                  .toList())
          .toList();
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
}
