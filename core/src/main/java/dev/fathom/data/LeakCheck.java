package dev.fathom.data;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;

/// Which test items are among the training items? A model that has seen a question in training is
/// tested on its memory.
///
/// Items match when their instruction and input are the same but for case, spaces and punctuation:
/// only letters and digits count, so `3.5` and `35` are the same too. A question that was put in
/// other words, or with other numbers, is not found.
public final class LeakCheck {
  /// Examples that a report quotes of one set.
  private static final int EXAMPLES = 3;

  private LeakCheck() {}

  /// What was found of one test set.
  ///
  /// @param set its name
  /// @param items how many it has
  /// @param leaked how many of them are among the training items
  /// @param examples some of these, as the test set words them, first ones first
  public record Leak(String set, int items, int leaked, List<String> examples) {
    public Leak {
      examples = List.copyOf(examples);
    }
  }

  /// Looks for every test item among the training items.
  ///
  /// @param training items of all training files
  /// @param tests each test set by its name
  /// @return one for each test set, in their order, also where nothing leaked
  public static List<Leak> of(
      Iterable<Instruction> training, SequencedMap<String, List<Instruction>> tests) {
    Map<String, Boolean> seen = new HashMap<>(); // of a test item: whether training has it
    tests.values().forEach(items -> items.forEach(item -> seen.put(normalized(item), false)));
    training.forEach(item -> seen.computeIfPresent(normalized(item), (_, _) -> true));
    var leaks = new ArrayList<Leak>();
    tests.forEach((set, items) -> {
      List<String> leaked =
          items.stream()
              .filter(
                  item -> !normalized(item).isEmpty() && seen.getOrDefault(normalized(item), false))
              .map(Instruction::instruction)
              .toList();
      leaks.add(
          new Leak(
              set,
              items.size(),
              leaked.size(),
              leaked.subList(0, Math.min(EXAMPLES, leaked.size()))));
    });
    return List.copyOf(leaks);
  }

  /// The training items that are in no test set.
  public static List<Instruction> without(
      List<Instruction> training, Collection<List<Instruction>> tests) {
    var asked = new HashSet<String>();
    tests.forEach(items -> items.forEach(item -> asked.add(normalized(item))));
    return training.stream().filter(item -> !asked.contains(normalized(item))).toList();
  }

  /// Only letters and digits, in lower case.
  static String normalized(Instruction item) {
    var kept = new StringBuilder();
    (item.instruction() + item.input())
        .toLowerCase(Locale.ROOT)
        .codePoints()
        .filter(Character::isLetterOrDigit)
        .forEach(kept::appendCodePoint);
    return kept.toString();
  }
}
