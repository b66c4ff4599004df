package dev.fathom.evaluate.reasoning;

import dev.fathom.data.PromptTemplate;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/// The items of a test with their prompts, longest first: neighbours are of like length, and if
/// memory is short, that shows at once.
final class Batches {
  private final List<Asked> all;
  private final int size;

  /// An item and the token ids of its prompt; not copied.
  @SuppressWarnings("ArrayRecordComponent")
  record Asked(TestSet.Item item, int[] prompt) {}

  Batches(Tokenizer tokenizer, PromptTemplate template, TestSet test, int size) {
    this.all =
        test.items().stream()
            .map(item -> new Asked(item, template.ids(tokenizer, item.instruction())))
            .sorted(Comparator.comparingInt((Asked asked) -> asked.prompt.length).reversed())
            .toList();
    this.size = size;
  }

  /// Batches of the items whose prompts have at most so many tokens.
  List<List<Asked>> fitting(int most) {
    List<Asked> fit = all.stream().filter(asked -> asked.prompt.length <= most).toList();
    var batches = new ArrayList<List<Asked>>();
    for (int from = 0; from < fit.size(); from += size) {
      batches.add(fit.subList(from, Math.min(fit.size(), from + size)));
    }
    return batches;
  }

  /// The others.
  List<Asked> longer(int most) {
    return all.stream().filter(asked -> asked.prompt.length > most).toList();
  }
}
