package dev.fathom.align.probe;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/// Which examples a probe learns from, and which it is measured on.
///
/// @param rule how they were drawn
/// @param train places of the examples to learn from, ascending
/// @param test the others, ascending
public record Split(Rule rule, List<Integer> train, List<Integer> test) {
  /// Of each class, on each side.
  private static final int LEAST = 2;

  private static final int MOST_TRIES = 100;

  /// How examples are drawn.
  public enum Rule {
    /// Each by itself.
    RANDOM,
    /// Whole groups.
    GROUP;

    /// The name on the command line.
    public String text() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  public Split {
    train = List.copyOf(train);
    test = List.copyOf(test);
  }

  /// Draws examples for the test, as large a share of each class.
  ///
  /// Where examples resemble each other (one template with another word, one document) this leaks:
  /// a probe may know what it is tested on. Then split [#byGroup].
  ///
  /// @param share of the examples to test on, between 0 and 1
  /// @throws IllegalArgumentException if there are fewer than two of a class for each side
  public static Split random(boolean[] positive, double share, long seed) {
    requireShare(share);
    var random = new Random(seed);
    var test = new ArrayList<Integer>();
    for (boolean side : new boolean[] {true, false}) {
      var examples = new ArrayList<Integer>();
      for (int i = 0; i < positive.length; i++) {
        if (positive[i] == side) {
          examples.add(i);
        }
      }
      if (examples.size() < 2 * LEAST) {
        throw new IllegalArgumentException(
            ("only %d of %d texts are of the %s class: a split needs at least %d of each class to"
                    + " learn from and %d to test on")
                .formatted(
                    examples.size(),
                    positive.length,
                    side ? "positive" : "negative",
                    LEAST,
                    LEAST));
      }
      Collections.shuffle(examples, random);
      long wanted = Math.round(share * examples.size());
      int count = Math.clamp(wanted, LEAST, examples.size() - LEAST);
      test.addAll(examples.subList(0, count));
    }
    return of(Rule.RANDOM, positive.length, test);
  }

  /// Draws whole groups for the test, so that no group is on both sides, and as large a share of
  /// each class as they allow.
  ///
  /// @param groups the group of each example
  /// @param share of the examples to test on, between 0 and 1
  /// @throws IllegalArgumentException if no draw leaves two of each class on each side
  public static Split byGroup(List<String> groups, boolean[] positive, double share, long seed) {
    requireShare(share);
    var members = new LinkedHashMap<String, List<Integer>>();
    for (int i = 0; i < positive.length; i++) {
      members.computeIfAbsent(groups.get(i), _ -> new ArrayList<>()).add(i);
    }
    var random = new Random(seed);
    var order = new ArrayList<>(members.values());
    for (int attempt = 0; attempt < MOST_TRIES; attempt++) {
      Collections.shuffle(order, random);
      List<Integer> test = drawn(order, positive, share);
      if (holdsBoth(test, positive)) {
        return of(Rule.GROUP, positive.length, test);
      }
    }
    throw new IllegalArgumentException(
        ("the %d groups of %d texts cannot be split so that each side has at least %d of both"
                + " classes: give more groups, or split at random (--split random)")
            .formatted(members.size(), positive.length, LEAST));
  }

  /// Takes each group that brings the test nearer to its share of both classes.
  private static List<Integer> drawn(List<List<Integer>> groups, boolean[] positive, double share) {
    double positives = LogisticFit.count(positive);
    double negatives = positive.length - positives;
    var test = new ArrayList<Integer>();
    double left = share; // of the positive class
    double right = share; // of the negative class
    for (List<Integer> group : groups) {
      long own = group.stream().filter(i -> positive[i]).count();
      double newLeft = left - own / positives;
      double newRight = right - (group.size() - own) / negatives;
      if (newLeft * newLeft + newRight * newRight < left * left + right * right) {
        test.addAll(group);
        left = newLeft;
        right = newRight;
      }
    }
    return test;
  }

  private static boolean holdsBoth(List<Integer> test, boolean[] positive) {
    long ones = test.stream().filter(i -> positive[i]).count();
    long zeros = test.size() - ones;
    int all = LogisticFit.count(positive);
    return Math.min(ones, zeros) >= LEAST
        && Math.min(all - ones, positive.length - all - zeros) >= LEAST;
  }

  private static Split of(Rule rule, int size, List<Integer> test) {
    var tested = new HashSet<>(test);
    var train = new ArrayList<Integer>();
    for (int i = 0; i < size; i++) {
      if (!tested.contains(i)) {
        train.add(i);
      }
    }
    return new Split(rule, train, test.stream().sorted().toList());
  }

  private static void requireShare(double share) {
    if (!(share > 0 && share < 1)) {
      throw new IllegalArgumentException("the share to test on is between 0 and 1, found " + share);
    }
  }

  /// The labels of some examples.
  static boolean[] of(boolean[] labels, List<Integer> places) {
    boolean[] some = new boolean[places.size()];
    for (int i = 0; i < some.length; i++) {
      some[i] = labels[places.get(i)];
    }
    return some;
  }
}
