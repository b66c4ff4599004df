package dev.fathom.refine;

import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.stream.IntStream;

/// Predictions in the making: sees the streams of some tokens on their way up, says which are
/// settled, and in the end the logits of all. Used once, in the scope it was made in.
interface Speech {
  /// What a speech is begun with.
  @FunctionalInterface
  interface Beginning {
    /// @param tokens how many there are to be predicted from, numbered from 0
    Speech of(int tokens);
  }

  /// What has been computed for the predictions.
  ///
  /// @param routes layers that were mixed, over all tokens
  /// @param heads times that the head was computed, over all tokens
  record Cost(long routes, long heads) {}

  /// Called for each layer from the first that matters on, in order.
  ///
  /// @param layer blocks that the tokens have passed
  /// @param stream `[tokens.length, dModel]`
  /// @param tokens those that are not settled
  /// @return for each, whether it needs no further layer; true after the last block
  boolean[] at(int layer, Tensor stream, int[] tokens);

  /// Logits of all tokens, `[tokens, columns]`.
  Tensor logits(Wanted wanted);

  Cost cost();

  /// Logits of whole rows, `[queries, columns]`: every token passes every block.
  ///
  /// @param first layer that matters
  static Tensor whole(
      Transformer model, int first, Beginning beginning, Tensor ids, Layout layout, Wanted wanted) {
    try (var scope = Scope.open()) {
      int queries = (wanted.lastOnly() ? layout.last() : layout).tokens();
      Speech speech = beginning.of(queries);
      boolean[] settled = new boolean[queries];
      model.stream(
          ids,
          Pass.over(layout).with(wanted),
          (layer, stream) -> {
            if (layer >= first) {
              boolean narrowed = !wanted.lastOnly() || layer == model.layers();
              Tensor asked = narrowed ? stream : stream.indexSelect(0, layout.lastTokens());
              look(speech, layer, asked, settled);
            }
          });
      return scope.escape(speech.logits(wanted));
    }
  }

  private static void look(Speech speech, int layer, Tensor stream, boolean[] settled) {
    int[] open = IntStream.range(0, settled.length).filter(t -> !settled[t]).toArray();
    if (open.length == 0) {
      return;
    }
    boolean[] done = speech.at(layer, picked(stream, open), open);
    for (int i = 0; i < open.length; i++) {
      settled[open[i]] = done[i];
    }
  }

  /// Rows of a tensor: itself where they are all.
  static Tensor picked(Tensor x, int[] rows) {
    boolean all =
        rows.length == x.size(0) && Arrays.equals(rows, IntStream.range(0, rows.length).toArray());
    return all ? x : x.indexSelect(0, Tensor.of(rows, rows.length));
  }
}
