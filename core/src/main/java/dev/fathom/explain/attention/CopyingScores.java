package dev.fathom.explain.attention;

import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.HeadIndex;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.Arrays;
import java.util.List;

/// Which heads copy what they look at? The share of tokens that are among the `top` tokens their
/// own reading `n W_V W_O` promotes, n being their embedding as the layer reads it (Elhage et al.
/// 2021; [OvReading]). A head that copies and looks at what followed before ([HeadScores]) is an
/// induction head.
///
/// It misleads in models whose first layers rewrite the embedding before later ones read it.
public final class CopyingScores {
  private CopyingScores() {}

  /// @param tokens random ordinary tokens to try
  /// @param top how far up its own token must stand
  /// @param seed of the random tokens
  public record Config(int tokens, int top, long seed) {
    public Config {
      if (tokens < 2 || top < 1) {
        throw new IllegalArgumentException(
            "Copying scores need at least 2 tokens and the best 1, found %d and %d."
                .formatted(tokens, top));
      }
    }

    /// 50 tokens, among the 10 best; fewer where the model knows few.
    public static Config standard(Transformer model) {
      int known = (int) model.embedding().vocabulary();
      int most = Math.min((model.card().context() - 1) / 2, known / 2);
      return new Config(Math.clamp(most, 2, 50), 10, 0);
    }

    public Config withSeed(long seed) {
      return new Config(tokens, top, seed);
    }
  }

  /// The score of every head.
  ///
  /// @throws IllegalArgumentException if the model's head is not linear
  public static CopyingScoresResult run(Transformer model, Tokenizer tokenizer, Config config) {
    long start = System.nanoTime();
    HeadMaps.unembedding(model);
    int heads = HeadIndex.count(model);
    int[] row =
        HeadScores.repeated(model, tokenizer, new HeadScores.Config(config.tokens, 1, config.seed))
            .getFirst();
    int[] ids = Arrays.copyOfRange(row, row.length - config.tokens, row.length);
    float[] scores = new float[model.layers() * heads];
    try (var scope = Scope.withoutGradients()) {
      Tensor words = HeadMaps.words(model, Arrays.stream(ids).asLongStream().toArray());
      for (int layer = 0; layer < model.layers(); layer++) {
        try (var inner = Scope.open()) {
          var maps = new HeadMaps(model, layer);
          Tensor written = maps.written(maps.read(words)).flatten(0, 1); // [heads · n, dModel]
          int chunk = HeadMaps.rowsAtOnce(model);
          for (int from = 0; from < heads * ids.length; from += chunk) {
            try (var part = Scope.open()) {
              int count = Math.min(chunk, heads * ids.length - from);
              int[] own = new int[count];
              for (int i = 0; i < count; i++) {
                own[i] = ids[(from + i) % ids.length];
              }
              long[] ranks =
                  OvReading.ranks(HeadMaps.vocabulary(model, written.narrow(0, from, count)), own);
              for (int i = 0; i < count; i++) {
                scores[layer * heads + (from + i) / ids.length] +=
                    ranks[i] < config.top ? 1f / ids.length : 0;
              }
            }
          }
        }
      }
    }
    return new CopyingScoresResult(
        Provenances.of(
            model,
            (System.nanoTime() - start) / 1e9,
            "tokens",
            Integer.toString(config.tokens),
            "top",
            Integer.toString(config.top),
            "seed",
            Long.toString(config.seed)),
        config.top,
        Grid.real(List.of(Axis.index("layer", model.layers()), Axis.index("head", heads)), scores));
  }
}
