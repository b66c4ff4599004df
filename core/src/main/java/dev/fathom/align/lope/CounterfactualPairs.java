package dev.fathom.align.lope;

import dev.fathom.align.AttributeWords.Counterfactual;
import dev.fathom.align.Fitting;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.text.SpecialTokens;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.TreeSet;

/// Texts that say the same of two groups, as tokens: sentences of a fitting in which words that
/// name a group are exchanged for another's ([dev.fathom.align.AttributeWords]), or the item's term
/// for another item's. What differs between the two in a model is what it makes of the group.
final class CounterfactualPairs {
  private CounterfactualPairs() {}

  /// Two token rows and the positions to compare: `count` of them, up to the end of both.
  ///
  /// Rows of one length are compared from the first token that differs on, others over the tokens
  /// they end with alike.
  ///
  /// @param one not copied
  /// @param other not copied
  @SuppressWarnings("ArrayRecordComponent")
  record Pair(int[] one, int[] other, int count) {}

  /// Pairs in an order drawn for the fitting's seed.
  ///
  /// @param most how many at most
  /// @throws IllegalArgumentException if no sentence has such a word
  static List<Pair> of(Fitting fitting, int most) {
    var random = new Random(fitting.seed());
    var terms =
        new ArrayList<>(
            new TreeSet<>(fitting.items().stream().map(StereoSetItem::target).toList()));
    var pairs = new ArrayList<Pair>();
    var items = new ArrayList<>(fitting.items());
    Collections.shuffle(items, random);
    for (StereoSetItem item : items) {
      for (var sentence : List.of(item.stereotype(), item.antiStereotype())) {
        if (pairs.size() >= most) {
          return pairs;
        }
        List<Counterfactual> found = fitting.words().counterfactuals(sentence.text());
        if (found.isEmpty()) {
          add(
              pairs,
              fitting,
              sentence.text(),
              renamed(sentence.text(), item.target(), terms, random));
        } else {
          found.forEach(pair -> add(pairs, fitting, pair.text(), pair.other()));
        }
      }
    }
    if (pairs.isEmpty()) {
      throw new IllegalArgumentException(
          "No sentence of domain %s has a word that could be exchanged: give attribute words for it, or items about several terms."
              .formatted(fitting.domain()));
    }
    return pairs;
  }

  /// The text about another term, itself where it does not have its own.
  private static String renamed(String text, String term, List<String> terms, Random random) {
    int at = text.toLowerCase(Locale.ROOT).indexOf(term.toLowerCase(Locale.ROOT));
    String other = terms.get(random.nextInt(terms.size()));
    return at < 0 ? text : text.substring(0, at) + other + text.substring(at + term.length());
  }

  private static void add(List<Pair> pairs, Fitting fitting, String text, String changed) {
    int[] one = fitting.tokenizer().encode(text, SpecialTokens.NONE).ids();
    int[] other = fitting.tokenizer().encode(changed, SpecialTokens.NONE).ids();
    int count;
    if (one.length == other.length) {
      int first = 0;
      while (first < one.length && one[first] == other[first]) {
        first++;
      }
      // what parks on the first token is no content
      count = one.length - Math.max(first, 1);
      count = first == one.length ? 0 : count;
    } else {
      count = 0;
      while (count < Math.min(one.length, other.length) - 1
          && one[one.length - 1 - count] == other[other.length - 1 - count]) {
        count++;
      }
    }
    if (count > 0) {
      pairs.add(new Pair(one, other, count));
    }
  }
}
