package dev.fathom.align.lope;

import dev.fathom.align.AttributeWords;
import dev.fathom.align.AttributeWords.Counterfactual;
import dev.fathom.align.Fitting;
import dev.fathom.evaluate.bias.StereoSetItem;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.TreeSet;

/// Texts that say the same of two groups, as tokens: sentences of a fitting in which words that
/// name a group are exchanged for another's ([AttributeWords]), or else the item's term for another
/// item's. What differs between the two in a model is what it makes of the group.
final class CounterfactualPairs {
  private CounterfactualPairs() {}

  /// Two token rows and the positions to compare: the last `count` of both.
  ///
  /// Rows of one length are compared from the first token that differs on, others over the tokens
  /// they end with alike. The first token is never compared: models park there what they do not
  /// need.
  ///
  /// @param one not copied
  /// @param other not copied
  @SuppressWarnings("ArrayRecordComponent")
  record Pair(int[] one, int[] other, int count) {
    static Pair of(int[] one, int[] other) {
      int count = one.length == other.length ? changed(one, other) : alike(one, other);
      return new Pair(one, other, count);
    }

    private static int changed(int[] one, int[] other) {
      for (int first = 0; first < one.length; first++) {
        if (one[first] != other[first]) {
          return one.length - Math.max(first, 1);
        }
      }
      return 0;
    }

    private static int alike(int[] one, int[] other) {
      int count = 0;
      while (count < Math.min(one.length, other.length) - 1
          && one[one.length - 1 - count] == other[other.length - 1 - count]) {
        count++;
      }
      return count;
    }
  }

  /// Pairs in an order drawn for the fitting's seed, without those that have nothing to compare or
  /// are longer than the model reads.
  ///
  /// @param most how many at most
  /// @throws IllegalArgumentException if there are none
  static List<Pair> of(Fitting fitting, int most) {
    var random = new Random(fitting.seed());
    var terms = new TreeSet<>(fitting.items().stream().map(StereoSetItem::target).toList());
    var items = new ArrayList<>(fitting.items());
    Collections.shuffle(items, random);
    var pairs = new ArrayList<Pair>();
    for (StereoSetItem item : items) {
      if (pairs.size() >= most) {
        break;
      }
      Optional<String> other = other(terms, item.target(), random);
      for (var sentence : List.of(item.stereotype(), item.antiStereotype())) {
        List<String> changed = changed(fitting.words(), sentence.text(), item.target(), other);
        for (String text : changed) {
          Pair pair = Pair.of(fitting.tokens(sentence.text()), fitting.tokens(text));
          int length = Math.max(pair.one.length, pair.other.length);
          if (pairs.size() < most && pair.count > 0 && length <= fitting.model().card().context()) {
            pairs.add(pair);
          }
        }
      }
    }
    if (pairs.isEmpty()) {
      throw new IllegalArgumentException(
          ("No sentence of domain %s has a word that could be exchanged: give attribute words that"
                  + " occur in it, or items about several terms.")
              .formatted(fitting.domain()));
    }
    return pairs;
  }

  /// One of the other terms; empty where there is none.
  private static Optional<String> other(TreeSet<String> terms, String term, Random random) {
    List<String> others = terms.stream().filter(other -> !other.equals(term)).toList();
    return others.isEmpty()
        ? Optional.empty()
        : Optional.of(others.get(random.nextInt(others.size())));
  }

  private static List<String> changed(
      AttributeWords words, String text, String term, Optional<String> other) {
    List<String> found = words.counterfactuals(text).stream().map(Counterfactual::other).toList();
    return found.isEmpty()
        ? other.map(by -> AttributeWords.replaced(text, term, by)).stream().toList()
        : found;
  }
}
