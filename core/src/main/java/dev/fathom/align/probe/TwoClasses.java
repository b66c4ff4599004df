package dev.fathom.align.probe;

import dev.fathom.data.LabelledText;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/// Texts of two classes, which a probe is to tell apart.
///
/// Of two labels the last in alphabetical order is the positive one (`1` of 0 and 1, `yes` of no
/// and yes) unless another is named. Of more than two, one is named and stands against all others,
/// or two are named and texts of others are left out.
public final class TwoClasses {
  private static final int MOST_NAMED = 12;

  private final List<LabelledText> texts;
  private final String positive;
  private final String negative;
  private final boolean[] labels;

  private TwoClasses(List<LabelledText> texts, String positive, String negative) {
    this.texts = List.copyOf(texts);
    this.positive = positive;
    this.negative = negative;
    this.labels = new boolean[texts.size()];
    for (int i = 0; i < labels.length; i++) {
      labels[i] = texts.get(i).label().equals(positive);
    }
  }

  /// Texts whose labels say themselves which class is which.
  public static TwoClasses of(List<LabelledText> texts) {
    return of(texts, Optional.empty(), Optional.empty());
  }

  /// @param positive the label of the positive class
  /// @param negative the only other label, if not all others are meant
  /// @throws IllegalArgumentException if there are no two classes, or they are not clear
  public static TwoClasses of(
      List<LabelledText> texts, Optional<String> positive, Optional<String> negative) {
    var counts = new TreeMap<String, Integer>();
    texts.forEach(text -> counts.merge(text.label(), 1, Integer::sum));
    positive.ifPresent(label -> requireKnown(counts, label));
    negative.ifPresent(label -> requireKnown(counts, label));
    if (counts.size() < 2) {
      throw new IllegalArgumentException(
          counts.isEmpty()
              ? "there are no texts"
              : "all %d texts have the label '%s': a probe needs examples of two classes"
                  .formatted(texts.size(), counts.firstKey()));
    }
    if (positive.isEmpty() && counts.size() > 2) {
      throw new IllegalArgumentException(
          "the texts have %d labels (%s): name the positive one (--positive), against all others"
                  .formatted(counts.size(), described(counts))
              + " or against one (--negative)");
    }
    String one = positive.orElseGet(() -> last(counts, negative));
    if (negative.equals(Optional.of(one))) {
      throw new IllegalArgumentException(
          "'%s' is named as the positive and as the negative label".formatted(one));
    }
    String other =
        negative.orElseGet(() ->
            counts.size() > 2
                ? "not " + one
                : counts.firstKey().equals(one) ? counts.lastKey() : counts.firstKey());
    return new TwoClasses(
        negative.isEmpty()
            ? texts
            : texts.stream()
                .filter(text -> text.label().equals(one) || text.label().equals(other))
                .toList(),
        one,
        other);
  }

  private static String last(TreeMap<String, Integer> counts, Optional<String> negative) {
    return negative.equals(Optional.of(counts.lastKey())) ? counts.firstKey() : counts.lastKey();
  }

  private static void requireKnown(TreeMap<String, Integer> counts, String label) {
    if (!counts.containsKey(label)) {
      throw new IllegalArgumentException(
          "no text has the label '%s', only %s".formatted(label, described(counts)));
    }
  }

  private static String described(TreeMap<String, Integer> counts) {
    String some =
        counts.entrySet().stream()
            .limit(MOST_NAMED)
            .map(entry -> "%s: %d".formatted(entry.getKey(), entry.getValue()))
            .collect(Collectors.joining(", "));
    return counts.size() > MOST_NAMED ? some + ", …" : some;
  }

  public List<LabelledText> texts() {
    return texts;
  }

  public int size() {
    return texts.size();
  }

  /// Whether each text is of the positive class, a copy.
  public boolean[] positive() {
    return labels.clone();
  }

  public String positiveLabel() {
    return positive;
  }

  /// The other label, or `not` the positive one where there are several.
  public String negativeLabel() {
    return negative;
  }

  /// Texts of the positive class.
  public int positives() {
    return LogisticFit.count(labels);
  }

  /// Whether any text belongs to a group.
  public boolean grouped() {
    return texts.stream().anyMatch(text -> text.group().isPresent());
  }

  /// The group of each text; one without is a group of its own.
  public List<String> groups() {
    var groups = new ArrayList<String>();
    for (int i = 0; i < texts.size(); i++) {
      String alone = "\0" + i; // no file holds such a name
      groups.add(texts.get(i).group().orElse(alone));
    }
    return groups;
  }
}
