package dev.fathom.explain.attention;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.HeadIndex;
import dev.fathom.explain.Names;
import dev.fathom.model.Kind;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.List;
import java.util.Set;

/// How much attention is parked on the first tokens? The share of each head's attention that goes
/// to keys 0 to `first − 1`, mean over queries from `from` on (Xiao et al. 2023; `first` = 4,
/// `from` = 8).
///
/// It misleads on short prompts, where the first tokens are much of all there is to see: uniform
/// attention already gives them `first / (q + 1)`, which is reported beside it.
public final class AttentionSinks {
  private AttentionSinks() {}

  /// @param first tokens that count as sinks
  /// @param from first query that is counted
  /// @throws IllegalArgumentException if the prompt has no query to count
  public static AttentionSinksResult run(
      Transformer model, Tokenizer tokenizer, Prompt prompt, int first, int from) {
    long start = System.nanoTime();
    int[] ids = prompt.ids();
    if (first < 1 || from < first) {
      throw new IllegalArgumentException(
          "Sinks are at least 1 first token, and queries count from behind them: found %d and %d."
              .formatted(first, from));
    }
    if (ids.length <= from) {
      throw new IllegalArgumentException(
          "The prompt has %d tokens, but sinks are measured from token %d on: give a longer one."
              .formatted(ids.length, from));
    }
    int heads = HeadIndex.count(model);
    float[] mass = new float[model.layers() * heads];
    float[] keys = new float[model.layers() * ids.length];
    new Walk(model, List.of(ids), Set.of(Kind.PATTERN))
        .each((layer, seen) -> {
          Tensor late =
              seen.at(Kind.PATTERN)
                  .select(0, 0)
                  .narrow(1, from, ids.length - from); // [heads, q, k]
          float[] own = late.narrow(2, 0, first).sum(2, false).mean(1, false).toFloats();
          System.arraycopy(own, 0, mass, layer * heads, heads);
          float[] each = late.mean(1, false).mean(0, false).toFloats();
          System.arraycopy(each, 0, keys, layer * ids.length, ids.length);
        });
    List<String> tokens = new Names(model, tokenizer).tokens(prompt);
    double uniform = 0;
    for (int q = from; q < ids.length; q++) {
      uniform += (double) first / (model.card().causal() ? q + 1 : ids.length);
    }
    return new AttentionSinksResult(
        Provenances.of(
            model,
            prompt,
            tokens,
            (System.nanoTime() - start) / 1e9,
            "first",
            Integer.toString(first),
            "from",
            Integer.toString(from)),
        first,
        uniform / (ids.length - from),
        Grid.real(List.of(Axis.index("layer", model.layers()), Axis.index("head", heads)), mass),
        Grid.real(List.of(Axis.index("layer", model.layers()), Axis.of("key", tokens)), keys));
  }
}
