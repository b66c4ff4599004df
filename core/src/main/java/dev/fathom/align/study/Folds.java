package dev.fathom.align.study;

import dev.fathom.evaluate.bias.StereoSetItem;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Collectors;

/// Parts of a domain's terms that take turns: each is tested with what was fitted on the others, so
/// that every item is tested, and none by what has seen its term or a form of it (*Iraq*, *Iraqi*).
///
/// Terms are taken for forms of one word if their first four letters are the same or if one begins
/// with the other, of three letters at least, in either case. That keeps some strangers together
/// (*Austrian*, *Australian*), which does no harm, and misses what is written otherwise (*he*,
/// *his*).
public final class Folds {
  private static final int MOST_NAMED = 12;

  private Folds() {}

  /// One turn.
  ///
  /// @param number from 1
  /// @param fit items to fit on
  /// @param test items about other terms
  public record Fold(int number, List<StereoSetItem> fit, List<StereoSetItem> test) {
    public Fold {
      fit = List.copyOf(fit);
      test = List.copyOf(test);
    }
  }

  /// Those of some items, fitted on nothing else.
  public static List<Fold> of(List<StereoSetItem> items, int count, long seed) {
    return of(items, List.of(), count, seed);
  }

  /// Words with all their forms are dealt out in an order drawn for the seed.
  ///
  /// @param items of one domain
  /// @param more further items to fit on, of which those about tested words are left out
  /// @param count how many folds, at least 2
  /// @throws IllegalArgumentException if there are fewer words than folds
  public static List<Fold> of(
      List<StereoSetItem> items, List<StereoSetItem> more, int count, long seed) {
    if (count < 2) {
      throw new IllegalArgumentException("At least 2 folds are needed, found " + count + ".");
    }
    var terms = new TreeSet<>(items.stream().map(StereoSetItem::target).toList());
    List<Set<String>> words = words(terms);
    if (words.size() < count) {
      throw new IllegalArgumentException(
          ("%d items about %d words (%s) are too few for %d folds, which need a word each: take"
                  + " fewer folds, or more items.")
              .formatted(items.size(), words.size(), named(terms), count));
    }
    Collections.shuffle(words, new Random(seed));
    var folds = new ArrayList<Fold>();
    for (int f = 0; f < count; f++) {
      Set<String> tested = new HashSet<>();
      for (int w = f; w < words.size(); w += count) {
        tested.addAll(words.get(w));
      }
      var fit =
          new ArrayList<>(items.stream().filter(item -> !tested.contains(item.target())).toList());
      more.stream()
          .filter(item -> tested.stream().noneMatch(term -> related(term, item.target())))
          .forEach(fit::add);
      folds.add(
          new Fold(
              f + 1, fit, items.stream().filter(item -> tested.contains(item.target())).toList()));
    }
    return folds;
  }

  private static String named(SortedSet<String> terms) {
    String some = terms.stream().limit(MOST_NAMED).collect(Collectors.joining(", "));
    return terms.size() > MOST_NAMED ? some + ", …" : some;
  }

  /// Terms in groups of forms of one word.
  private static List<Set<String>> words(SortedSet<String> terms) {
    var words = new ArrayList<Set<String>>();
    for (String term : terms) {
      Set<String> word = new TreeSet<>(Set.of(term));
      words.removeIf(
          other -> other.stream().anyMatch(form -> related(form, term)) && word.addAll(other));
      words.add(word);
    }
    return words;
  }

  private static boolean related(String one, String other) {
    String a = one.toLowerCase(Locale.ROOT);
    String b = other.toLowerCase(Locale.ROOT);
    String shorter = a.length() <= b.length() ? a : b;
    String longer = shorter.equals(a) ? b : a;
    String beginning = shorter.substring(0, Math.min(4, shorter.length()));
    return a.equals(b) || (beginning.length() >= 3 && longer.startsWith(beginning));
  }
}
