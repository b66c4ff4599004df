package dev.fathom.align.baseline;

import dev.fathom.align.Fitting;
import dev.fathom.text.Tokenizer;
import java.text.BreakIterator;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/// The sentences of a fitting.
final class Sentences {
  /// Longer ones are left out: lists and tables, mostly.
  private static final int MOST_TOKENS = 128;

  private Sentences() {}

  /// Those of the items, then those of the running texts, each once, in their order; without those
  /// that take more than half of what the model reads, for changed words may be longer.
  static List<String> of(Fitting fitting) {
    var all = new LinkedHashSet<String>(fitting.sentences());
    fitting.neutral().forEach(text -> all.addAll(cut(text)));
    Tokenizer tokenizer = fitting.tokenizer();
    int most = Math.min(MOST_TOKENS, fitting.model().card().context() / 2);
    return all.stream()
        .filter(text -> {
          int tokens = tokenizer.encode(text).size();
          return tokens > 0 && tokens <= most;
        })
        .toList();
  }

  /// The sentences of a running text.
  static List<String> cut(String text) {
    BreakIterator ends = BreakIterator.getSentenceInstance(Locale.ROOT);
    ends.setText(text);
    var sentences = new ArrayList<String>();
    int from = ends.first();
    for (int to = ends.next(); to != BreakIterator.DONE; from = to, to = ends.next()) {
      String sentence = text.substring(from, to).strip();
      if (!sentence.isEmpty()) {
        sentences.add(sentence);
      }
    }
    return sentences;
  }

  /// At most so many, drawn at random, in random order.
  static <T> List<T> drawn(List<T> all, int most, SplittableRandom random) {
    var order = new ArrayList<>(all);
    int count = Math.min(most, order.size());
    for (int i = 0; i < count; i++) {
      int j = random.nextInt(i, order.size());
      T other = order.get(j);
      order.set(j, order.get(i));
      order.set(i, other);
    }
    return List.copyOf(order.subList(0, count));
  }
}
