package dev.fathom.explain.causal;

import dev.fathom.data.TokenSpan;

/// What a token is in a prompt about a subject, so that prompts of different lengths can be laid
/// over each other (Meng et al. 2022, Fig 2). A subject of one token is its last one.
public enum TokenRole {
  /// Before the subject; a start token, which stands for no text, has no role.
  BEFORE("before the subject", "before"),
  FIRST_SUBJECT("first subject token", "subj first"),
  MIDDLE_SUBJECT("middle subject tokens", "subj mid"),
  LAST_SUBJECT("last subject token", "subj last"),
  FIRST_AFTER("first token after", "just after"),
  FURTHER("further tokens", "further"),
  /// The token at which the answer is read, whatever else it is.
  LAST("last token", "last");

  /// What the labels mean, for people.
  static final String LEGEND =
      "Columns are what tokens are: before the subject; the subject's first, middle and last tokens"
          + " (subj); the token just after it; further ones; the last, where the answer is read.";

  private final String text;
  private final String label;

  TokenRole(String text, String label) {
    this.text = text;
    this.label = label;
  }

  public String text() {
    return text;
  }

  /// The head of a column.
  public String label() {
    return label;
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
