package dev.fathom.evaluate.bias;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/// Are the labels `stereotype` and `anti-stereotype` of a domain exchanged in a file? Such files
/// are in circulation, and everything measured with one comes out mirrored (SS becomes 100 − SS).
///
/// Each item may speak for or against its labels:
///
/// - by its annotators, where the file has their votes: more of them saw the anti-stereotype in
///   what is labelled stereotype than the stereotype, over both sentences;
/// - else, for gender, by its words: the sentence labelled stereotype has more words that are
///   commonly expected of the other gender, compared with the sentence labelled anti-stereotype.
///   Words that both have do not count, nor do items about nobody of a clear gender or about terms
///   whose stereotypes run the other way (gentlemen, stepmothers).
///
/// The labels are called exchanged where at least [#FEWEST] items of the domain speak, and at least
/// two thirds of these speak against them. Single items are never touched. The word lists are rough
/// and hold for English only; on the published items they side with the labels in seven of eight
/// cases.
public final class ExchangedLabels {
  /// So many items must speak; fewer leave the labels as they are.
  public static final int FEWEST = 10;

  private static final Set<String> WOMEN =
      words(
          "she her hers herself woman women girl girls female females lady ladies mother mothers"
              + " mom mommy grandmother grandma wife sister daughter aunt bride girlfriend"
              + " schoolgirl schoolgirls ma'am");

  private static final Set<String> MEN =
      words(
          "he him his himself man men boy boys male males father fathers dad daddy grandfather"
              + " grandpa husband brother son uncle groom boyfriend schoolboy schoolboys"
              + " stepfather sir");

  private static final Set<String> EXPECTED_OF_WOMEN =
      words(
          "caring kind gentle sweet loving nurturing emotional sensitive soft weak fragile delicate"
              + " shy quiet timid submissive passive obedient innocent naive gossip gossiping"
              + " nagging crying pretty beautiful feminine girly pink dolls doll makeup dress"
              + " dresses shopping cooking cook cleaning clean sewing knitting baking nurse"
              + " secretary housewife homemaker maid polite nice compassionate warm dainty");

  private static final Set<String> EXPECTED_OF_MEN =
      words(
          "strong tough brave aggressive violent rough loud muscular masculine manly macho powerful"
              + " dominant domineering bold independent ambitious competitive sporty athletic"
              + " athlete sports football wrestling fighting boss leader stern strict mean rude"
              + " lazy messy dirty mechanic engineer soldier blue trucks cars stoic stubborn"
              + " fearless rowdy rambunctious unruly abusive handy bossy");

  private int spoke;
  private int against;

  private static Set<String> words(String text) {
    return Set.copyOf(
        Arrays.stream(text.toLowerCase(Locale.ROOT).split("[^a-z']+"))
            .filter(word -> !word.isEmpty())
            .collect(Collectors.toSet()));
  }

  /// What one item says.
  ///
  /// @param byVotes whether its annotators speak for its labels; empty without votes or where they
  ///   are even
  void add(StereoSetItem item, Optional<Boolean> byVotes) {
    Optional<Boolean> right = byVotes.isPresent() ? byVotes : byWords(item);
    if (right.isPresent()) {
      spoke++;
      against += right.get() ? 0 : 1;
    }
  }

  /// Whether the words of an item speak for its labels; empty where they say nothing.
  static Optional<Boolean> byWords(StereoSetItem item) {
    int gender = item.domain().equals("gender") ? gender(item.target()) : 0;
    Set<String> stereotype = words(item.stereotype().text());
    Set<String> anti = words(item.antiStereotype().text());
    int lean = gender * (lean(stereotype, anti) - lean(anti, stereotype));
    return lean == 0 ? Optional.empty() : Optional.of(lean > 0);
  }

  /// 1 for women, −1 for men, 0 for neither or both.
  private static int gender(String target) {
    Set<String> words = words(target);
    return (words.stream().anyMatch(WOMEN::contains) ? 1 : 0)
        - (words.stream().anyMatch(MEN::contains) ? 1 : 0);
  }

  /// How many more of the words that only the first has are expected of women than of men.
  private static int lean(Set<String> first, Set<String> second) {
    int lean = 0;
    for (String word : first) {
      if (!second.contains(word)) {
        lean += EXPECTED_OF_WOMEN.contains(word) ? 1 : 0;
        lean -= EXPECTED_OF_MEN.contains(word) ? 1 : 0;
      }
    }
    return lean;
  }

  /// How many items spoke.
  int spoke() {
    return spoke;
  }

  /// How many of them spoke against their labels.
  int against() {
    return against;
  }

  boolean found() {
    return spoke >= FEWEST && 3 * against >= 2 * spoke;
  }
}
