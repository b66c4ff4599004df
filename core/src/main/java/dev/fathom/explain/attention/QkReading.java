package dev.fathom.explain.attention;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.HeadIndex;
import dev.fathom.explain.Names;
import dev.fathom.model.Attention;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// What is a head looking for? The scores `n_q W_Q W_Kᵀ n_k · scale` between the tokens of a
/// prompt, and for each token the keys of the whole vocabulary that it would score highest (Elhage
/// et al. 2021). Query and key norms included; rotary positions on request, those of the prompt.
///
/// With [OvReading.Source#STREAM] and positions these are the scores of the run itself (before
/// ALiBi and soft-cap). Only differences along a row matter, as softmax forgets the rest. Against
/// the vocabulary no rotation is done, as if the key stood where the query stands: heads that look
/// by position show nothing there.
public final class QkReading {
  private QkReading() {}

  /// @param turned whether rotary positions of the prompt are included in the scores
  /// @param top keys of the vocabulary to name for each token
  public static QkReadingResult run(
      Transformer model,
      Tokenizer tokenizer,
      Prompt prompt,
      HeadIndex head,
      OvReading.Source source,
      boolean turned,
      int top) {
    long start = System.nanoTime();
    head.in(model);
    int[] ids = prompt.ids();
    var names = new Names(model, tokenizer);
    try (var scope = Scope.withoutGradients()) {
      var maps = new HeadMaps(model, head.layer());
      Tensor read = source.read(model, ids, head.layer());
      Attention.Qkv placed = maps.asked(read, turned);
      float[] scores =
          placed
              .q()
              .select(0, head.head())
              .matmul(placed.k().select(0, head.head()).transpose(0, 1))
              .toFloats();
      if (model.card().causal()) {
        for (int q = 0; q < ids.length; q++) {
          Arrays.fill(scores, q * ids.length + q + 1, (q + 1) * ids.length, Float.NaN);
        }
      }
      long[] everyWord = new long[Math.toIntExact(model.embedding().vocabulary())];
      Arrays.setAll(everyWord, i -> i);
      Tensor keys = keysOf(maps, model, everyWord, head);
      Tensor asking = maps.asked(read, false).q().select(0, head.head());
      int shown = Math.min(top, everyWord.length);
      var sought = new OvReading.Best(ids.length, shown);
      int chunk = HeadMaps.rowsAtOnce(model);
      for (int from = 0; from < ids.length; from += chunk) {
        try (var part = Scope.open()) {
          int count = Math.min(chunk, ids.length - from);
          sought.take(from, asking.narrow(0, from, count).matmul(keys).topK(shown, -1), 1);
        }
      }
      List<String> tokens = names.tokens(prompt);
      List<Axis> axes = List.of(Axis.of("query", tokens), Axis.index("rank", shown));
      return new QkReadingResult(
          Provenances.of(
              model,
              prompt,
              tokens,
              (System.nanoTime() - start) / 1e9,
              "head",
              head.toString(),
              "source",
              source.text(),
              "positions",
              turned ? "included" : "left out"),
          head,
          Grid.real(List.of(Axis.of("query", tokens), Axis.of("key", tokens)), scores),
          Grid.integer(axes, sought.ids),
          Grid.real(axes, sought.values),
          sought.named(tokenizer));
    }
  }

  /// Keys of the whole vocabulary for one head, `[width, vocab]`, some words at a time.
  private static Tensor keysOf(HeadMaps maps, Transformer model, long[] words, HeadIndex head) {
    int chunk = 8192;
    var parts = new ArrayList<Tensor>();
    try (var scope = Scope.open()) {
      for (int from = 0; from < words.length; from += chunk) {
        try (var inner = Scope.open()) {
          long[] some = Arrays.copyOfRange(words, from, Math.min(words.length, from + chunk));
          Tensor keys =
              maps.asked(maps.read(HeadMaps.words(model, some)), false)
                  .k()
                  .select(0, head.head())
                  .contiguous();
          parts.add(inner.escape(keys));
        }
      }
      return scope.escape(Tensor.cat(parts, 0).transpose(0, 1));
    }
  }
}
