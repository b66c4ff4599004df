package dev.fathom.align.study;

import dev.fathom.evaluate.bias.StereoSetItem;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;

/// Parts of a domain's terms that take turns: each is tested with what was fitted on the others, so
/// that every item is tested, and none by what has seen its term.
public final class Folds {
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

  /// Terms are dealt out in an order drawn for the seed.
  ///
  /// @param items of one domain
  /// @param count how many folds, at least 2
  /// @throws IllegalArgumentException if there are fewer terms than folds
  public static List<Fold> of(List<StereoSetItem> items, int count, long seed) {
    if (count < 2) {
      throw new IllegalArgumentException("At least 2 folds are needed, found " + count + ".");
    }
    var terms = new ArrayList<>(new TreeSet<>(items.stream().map(StereoSetItem::target).toList()));
    if (terms.size() < count) {
      throw new IllegalArgumentException(
          ("%d items about %d terms (%s) are too few for %d folds, which need a term each: take"
                  + " fewer folds, or more items.")
              .formatted(items.size(), terms.size(), String.join(", ", terms), count));
    }
    Collections.shuffle(terms, new Random(seed));
    var folds = new ArrayList<Fold>();
    for (int f = 0; f < count; f++) {
      Set<String> tested = new HashSet<>();
      for (int t = f; t < terms.size(); t += count) {
        tested.add(terms.get(t));
      }
      folds.add(
          new Fold(
              f + 1,
              items.stream().filter(item -> !tested.contains(item.target())).toList(),
              items.stream().filter(item -> tested.contains(item.target())).toList()));
    }
    return folds;
  }
}
