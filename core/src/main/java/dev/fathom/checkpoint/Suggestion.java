package dev.fathom.checkpoint;

import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;

/// Finds what somebody probably meant: the known word at the smallest edit distance.
final class Suggestion {
  /// Words longer than this are not compared; names in weight files are far shorter.
  private static final int LONGEST = 200;

  /// Comparing with more words than this would take longer than the message is worth.
  private static final int MOST = 2_000;

  private Suggestion() {}

  /// `" (did you mean x?)"`, or nothing when no candidate is close.
  static String of(String word, Collection<String> candidates) {
    return nearest(word, candidates).map(near -> " (did you mean " + near + "?)").orElse("");
  }

  /// The closest candidate, if it differs in less than a third of the word.
  static Optional<String> nearest(String word, Collection<String> candidates) {
    if (word.length() > LONGEST) {
      return Optional.empty();
    }
    int limit = Math.max(1, word.length() / 3);
    record Scored(String candidate, int distance) {}
    return candidates.stream()
        .limit(MOST)
        .filter(c -> !c.equals(word) && Math.abs(c.length() - word.length()) <= limit)
        .filter(c -> c.length() <= LONGEST)
        .map(c -> new Scored(c, distance(word, c)))
        .filter(s -> s.distance <= limit)
        .min(Comparator.comparingInt(Scored::distance).thenComparing(Scored::candidate))
        .map(Scored::candidate);
  }

  /// Levenshtein's distance: insertions, deletions and substitutions cost one.
  static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int above = row[j];
        int substituted = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        row[j] = Math.min(substituted, 1 + Math.min(above, row[j - 1]));
        diagonal = above;
      }
    }
    return row[b.length()];
  }
}
