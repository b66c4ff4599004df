package dev.fathom.evaluate.bias;

import dev.fathom.evaluate.bias.StereoSetItem.Sentence;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/// Small items, and scores of them.
final class Items {
  private Items() {}

  /// An item whose sentences say these words.
  static StereoSetItem item(
      String id,
      String domain,
      String target,
      String context,
      String stereotype,
      String anti,
      String unrelated) {
    return new StereoSetItem(
        id,
        domain,
        target,
        context,
        new Sentence(id + "s", context.replace("BLANK", stereotype)),
        new Sentence(id + "a", context.replace("BLANK", anti)),
        new Sentence(id + "u", context.replace("BLANK", unrelated)));
  }

  static ScoredItem scored(
      String key, String domain, String target, double stereotype, double anti, double unrelated) {
    return new ScoredItem(key, domain, target, stereotype, anti, unrelated);
  }

  /// Items of several terms of two domains, with random scores.
  ///
  /// @param lean added to stereotypes
  static List<ScoredItem> random(int perTerm, double lean, long seed) {
    var random = new Random(seed);
    var items = new ArrayList<ScoredItem>();
    for (String domain : List.of("gender", "race")) {
      for (int term = 0; term < 5; term++) {
        for (int i = 0; i < perTerm + term; i++) {
          items.add(
              scored(
                  "%s-%d-%d".formatted(domain, term, i),
                  domain,
                  domain + term,
                  -8 + lean + random.nextGaussian(),
                  -8 + random.nextGaussian(),
                  -9 + random.nextGaussian()));
        }
      }
    }
    return items;
  }
}
