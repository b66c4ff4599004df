package dev.fathom.explain.attention;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.HeadIndex;
import dev.fathom.explain.Names;
import dev.fathom.model.Kind;
import dev.fathom.model.Transformer;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/// Where does each head look? The share `α[q, k]` of its attention that query position q gives to
/// key position k: `softmax(q·k · scale)`, rows of which sum to 1.
///
/// It misleads as an explanation: a head may look at a token whose value it hardly reads (compare
/// [TokenMixing]), most heads of trained models park attention on the first token
/// ([AttentionSinks]), and after a few layers a position holds more than its own token.
public final class AttentionPatterns {
  /// Numbers that a result may hold.
  private static final long MOST = 50_000_000;

  private AttentionPatterns() {}

  /// Refuses results that are too large to look at.
  static void requireHoldable(Transformer model, long numbersOfLayer, int tokens) {
    long numbers = model.layers() * numbersOfLayer;
    if (numbers > MOST) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "Between %d tokens there are %,d numbers to show, more than %,d: shorten the prompt.",
              tokens,
              numbers,
              MOST));
    }
  }

  /// The patterns of all heads; `tokenizer` only names tokens.
  public static AttentionPatternsResult run(Transformer model, Tokenizer tokenizer, Prompt prompt) {
    long start = System.nanoTime();
    int[] ids = prompt.ids();
    int heads = HeadIndex.count(model);
    requireHoldable(model, (long) heads * ids.length * ids.length, ids.length);
    int each = heads * ids.length * ids.length;
    float[] all = new float[model.layers() * each];
    new Walk(model, List.of(ids), Set.of(Kind.PATTERN))
        .each((layer, seen) ->
            System.arraycopy(seen.at(Kind.PATTERN).toFloats(), 0, all, layer * each, each));
    List<String> tokens = new Names(model, tokenizer).tokens(prompt);
    return new AttentionPatternsResult(
        Provenances.of(model, prompt, tokens, (System.nanoTime() - start) / 1e9),
        Grid.real(
            List.of(
                Axis.index("layer", model.layers()),
                Axis.index("head", heads),
                Axis.of("query", tokens),
                Axis.of("key", tokens)),
            all),
        List.of());
  }
}
