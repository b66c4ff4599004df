package dev.fathom.train;

/// One text to learn from: each token from `learnFrom` on is to be predicted from those before it.
/// Two rows are equal only if they share their array.
///
/// @param ids its tokens, at least two, not copied
/// @param learnFrom the first token that counts (a prompt before it is only read), at least 1
public record Row(int[] ids, int learnFrom) {
  public Row {
    if (ids.length < 2 || learnFrom < 1 || learnFrom >= ids.length) {
      throw new IllegalArgumentException(
          "a row needs a token to predict after its first: %d tokens, learnt from token %d"
              .formatted(ids.length, learnFrom));
    }
  }

  /// A row of which every token after the first counts.
  public static Row of(int... ids) {
    return new Row(ids, 1);
  }

  int length() {
    return ids.length;
  }

  /// Tokens that count.
  int targets() {
    return ids.length - learnFrom;
  }
}
