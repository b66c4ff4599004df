package dev.fathom.evaluate;

import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// Did a change make a model babble? Two numbers of texts it generated, over token ids:
///
/// @param repetition mean over texts of the share of four-token stretches that the same text had
///   before, `1 − different / all` (Welleck et al. 2020, seq-rep-4): 0 for text that never repeats
///   itself, near 1 for a loop; texts of fewer than four tokens do not count, and NaN without any
///   other
/// @param distinct2 different pairs of neighbouring tokens among all such pairs of all texts
///   together (Li et al. 2016, distinct-2): low where texts are all alike; it falls with more and
///   longer texts, so compare equal numbers of them; NaN without a pair
/// @param texts that were looked at
/// @param tokens of them
public record GenerationQuality(double repetition, double distinct2, int texts, int tokens) {
  private static final int STRETCH = 4;

  /// Of the ids that were generated for each prompt, prompts left out.
  public static GenerationQuality of(List<List<Integer>> generated) {
    double repetition = 0;
    int long4 = 0;
    int pairs = 0;
    int tokens = 0;
    Set<List<Integer>> different = new HashSet<>();
    for (List<Integer> text : generated) {
      tokens += text.size();
      if (text.size() >= STRETCH) {
        repetition += repetition(text);
        long4++;
      }
      for (int i = 0; i + 2 <= text.size(); i++) {
        different.add(List.copyOf(text.subList(i, i + 2)));
        pairs++;
      }
    }
    return new GenerationQuality(
        long4 == 0 ? Double.NaN : repetition / long4,
        pairs == 0 ? Double.NaN : (double) different.size() / pairs,
        generated.size(),
        tokens);
  }

  private static double repetition(List<Integer> text) {
    int all = text.size() - STRETCH + 1;
    Set<List<Integer>> different = new HashSet<>();
    for (int i = 0; i < all; i++) {
      different.add(List.copyOf(text.subList(i, i + STRETCH)));
    }
    return 1 - (double) different.size() / all;
  }
}
