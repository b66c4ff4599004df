package dev.fathom.data;

/// Consecutive tokens of a prompt, both ends included.
///
/// @param first from 0
public record TokenSpan(int first, int last) {
  public TokenSpan {
    if (first < 0 || last < first) {
      throw new IllegalArgumentException("tokens %d to %d are no span".formatted(first, last));
    }
  }

  /// The tokens that hold a part of a prompt's text; where it occurs more than once, the last time.
  ///
  /// @throws IllegalArgumentException if the prompt does not contain it
  public static TokenSpan of(Prompt prompt, String part) {
    String wanted = part.strip();
    int from = wanted.isEmpty() ? -1 : prompt.text().lastIndexOf(wanted);
    if (from < 0) {
      throw new IllegalArgumentException(
          "'%s' does not occur in the prompt '%s': name a part of it, as it is written there."
              .formatted(part, prompt.text()));
    }
    int to = from + wanted.length();
    int first = -1;
    int last = -1;
    for (int t = 0; t < prompt.tokens().size(); t++) {
      boolean within = prompt.tokens().start(t) < to && prompt.tokens().end(t) > from;
      if (within) {
        first = first < 0 ? t : first;
        last = t;
      }
    }
    return new TokenSpan(first, last);
  }

  /// How many tokens.
  public int length() {
    return last - first + 1;
  }

  public boolean contains(int token) {
    return first <= token && token <= last;
  }
}
