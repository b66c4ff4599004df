package dev.fathom.explain;

import dev.fathom.data.TokenSpan;

/// What a token is in a prompt about a subject, so that prompts of different lengths can be laid
/// over each other (Meng et al. 2022, Fig 2). A subject of one token is its last one.
public enum TokenRole {
  /// Before the subject; a start token, which stands for no text, has no role.
  BEFORE("before the subject"),
  FIRST_SUBJECT("first subject token"),
  MIDDLE_SUBJECT("middle subject tokens"),
  LAST_SUBJECT("last subject token"),
  FIRST_AFTER("first token after"),
  FURTHER("further tokens"),
  /// The token at which the answer is read, whatever else it is.
  LAST("last token");

  private final String text;

  TokenRole(String text) {
    this.text = text;
  }

  public String text() {
    return text;
  }

  /// @param read the position at which the answer is read
  static TokenRole of(int position, TokenSpan subject, int read) {
    if (position == read) {
      return LAST;
    }
    if (position < subject.first()) {
      return BEFORE;
    }
    if (position == subject.last()) {
      return LAST_SUBJECT;
    }
    if (position < subject.last()) {
      return position == subject.first() ? FIRST_SUBJECT : MIDDLE_SUBJECT;
    }
    return position == subject.last() + 1 ? FIRST_AFTER : FURTHER;
  }
}
