package dev.fathom.model;

import dev.fathom.tensor.Tensor;
import java.util.List;

/// Whatever gives each next token a logit: a [Transformer], or something built around one that is
/// not an overlay on its weights (a mixture of late layers, an early exit, a second prompt).
/// Generation and evaluation take one of these; explanations take the transformer itself.
public interface LanguageModel {
  /// Name, context length and so on.
  Transformer.Card card();

  /// Columns of the logits.
  int outputs();

  /// Logits of whole rows: I64 ids `[tokens]` packed as `layout` says `-> [queries, columns]`.
  Tensor logits(Tensor ids, Layout layout, Wanted wanted);

  /// Begins to read `rows` rows, token by token. The tap sees everything that is computed, each
  /// token once, with its true position.
  ///
  /// @throws IllegalArgumentException if the model does not predict next tokens
  Session session(int rows, Tap tap);

  default Session session(int rows) {
    return session(rows, Tap.NONE);
  }

  /// Rows that have been read up to some point and go on from there. Used by one thread; closed
  /// when done.
  interface Session extends AutoCloseable {
    int rows();

    /// The tokens that a row has so far.
    int[] tokens(int row);

    /// Reads more tokens, at least one for each row, without recording gradients.
    ///
    /// @return logits after the last token of each row, `[rows, columns]`, in the caller's scope
    /// @throws IllegalArgumentException if a row becomes longer than the context
    Tensor append(List<int[]> tokens);

    /// Keeps these rows, in this order, numbered anew from 0; a row that is named twice is forked.
    void select(int... rows);

    /// Forgets the tokens of a row from position `length` on.
    void truncate(int row, int length);

    /// Bytes that the session holds beside the model.
    long bytes();

    @Override
    void close();
  }
}
