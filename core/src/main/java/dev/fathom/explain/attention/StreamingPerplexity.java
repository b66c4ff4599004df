package dev.fathom.explain.attention;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Likelihood;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.model.Streaming;
import dev.fathom.model.Transformer;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.List;

/// Can a model forget all but its first tokens and the last ones? The loss `−ln p` of each token of
/// a long text with a cache that keeps the first `start` and the last `recent` tokens, with one of
/// the same size that keeps only the last, and with all tokens where the text fits the context
/// (Xiao et al. 2023, section 3; thesis section 3.2.2).
///
/// A loss that jumps only without the first tokens says that they are attention sinks. It misleads
/// where the text's beginning is worth knowing for what it says.
public final class StreamingPerplexity {
  private StreamingPerplexity() {}

  /// @throws IllegalArgumentException if the text is no longer than the cache, which then forgets
  ///   nothing, or the model cannot roll ([Streaming#of])
  public static StreamingPerplexityResult run(
      Transformer model, Tokenizer tokenizer, Prompt text, int start, int recent) {
    long began = System.nanoTime();
    int[] ids = text.ids();
    var sinks = Streaming.of(model, start, recent);
    if (ids.length <= start + recent + 1) {
      throw new IllegalArgumentException(
          "The text has %d tokens, which a cache of %d + %d remembers whole: give a longer text or keep fewer."
              .formatted(ids.length, start, recent));
    }
    var memories = new ArrayList<String>();
    var losses = new ArrayList<float[]>();
    if (ids.length <= model.card().context()) {
      memories.add("all tokens");
      losses.add(Likelihood.of(model, List.of(ids), Likelihood.Config.standard()).getFirst());
    }
    if (start > 0) {
      memories.add("first %d and last %d".formatted(start, recent));
      losses.add(Likelihood.read(sinks, ids));
    }
    memories.add("last %d".formatted(start + recent));
    losses.add(Likelihood.read(Streaming.of(model, 0, start + recent), ids));
    List<String> tokens = new Names(model, tokenizer).tokens(text);
    float[] all = new float[memories.size() * (ids.length - 1)];
    for (int m = 0; m < losses.size(); m++) {
      for (int t = 0; t < ids.length - 1; t++) {
        all[m * (ids.length - 1) + t] = -losses.get(m)[t];
      }
    }
    return new StreamingPerplexityResult(
        Provenances.of(
            model,
            text,
            tokens,
            (System.nanoTime() - began) / 1e9,
            "start",
            Integer.toString(start),
            "recent",
            Integer.toString(recent)),
        start + recent,
        Grid.real(
            List.of(Axis.of("memory", memories), Axis.of("token", tokens.subList(1, ids.length))),
            all));
  }
}
