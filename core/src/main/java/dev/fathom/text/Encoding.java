package dev.fathom.text;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/// The tokens of a text: id, raw vocabulary entry, and the stretch of the text each one covers.
///
/// Offsets count Java chars: token `i` covers `text.substring(starts[i], ends[i])`. A token that
/// was added (BOS) covers nothing. Where several byte tokens make up one character, byte-level
/// vocabularies give each of them the whole character; SentencePiece gives it to the last and an
/// empty stretch to the others. Equality is by content.
///
/// @param ids token ids, copied in and out
/// @param pieces raw vocabulary entries, as [Tokenizer#piece(int)] gives them
/// @param starts first char of each token, copied in and out
/// @param ends one past the last char of each token, copied in and out
@SuppressWarnings("ArrayRecordComponent")
public record Encoding(int[] ids, List<String> pieces, int[] starts, int[] ends) {

  public Encoding {
    ids = ids.clone();
    pieces = List.copyOf(pieces);
    starts = starts.clone();
    ends = ends.clone();
    if (pieces.size() != ids.length || starts.length != ids.length || ends.length != ids.length) {
      throw new IllegalArgumentException(
          "an encoding needs as many pieces, starts and ends as ids, but has %d, %d, %d and %d"
              .formatted(pieces.size(), starts.length, ends.length, ids.length));
    }
  }

  /// The number of tokens.
  public int size() {
    return ids.length;
  }

  /// The id of token `index`, without copying.
  public int id(int index) {
    return ids[index];
  }

  /// The first char of token `index`.
  public int start(int index) {
    return starts[index];
  }

  /// One past the last char of token `index`.
  public int end(int index) {
    return ends[index];
  }

  /// The indices of the tokens that cover some of `text.substring(from, to)`, in order.
  public int[] tokensIn(int from, int to) {
    return IntStream.range(0, ids.length).filter(i -> starts[i] < to && ends[i] > from).toArray();
  }

  @Override
  public int[] ids() {
    return ids.clone();
  }

  @Override
  public int[] starts() {
    return starts.clone();
  }

  @Override
  public int[] ends() {
    return ends.clone();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Encoding that
        && Arrays.equals(ids, that.ids)
        && pieces.equals(that.pieces)
        && Arrays.equals(starts, that.starts)
        && Arrays.equals(ends, that.ends);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(ids) * 31 + Arrays.hashCode(starts);
  }

  @Override
  public String toString() {
    return "Encoding" + IntStream.range(0, ids.length).mapToObj(this::describe).toList();
  }

  private String describe(int i) {
    return "%s=%d@%d..%d".formatted(pieces.get(i), ids[i], starts[i], ends[i]);
  }
}
