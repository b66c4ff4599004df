package dev.fathom.evaluate.reasoning;

import dev.fathom.Sha256;
import dev.fathom.data.Instruction;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Random;

/// Questions of a task: all of them, or some.
///
/// @param items in the order of the file
/// @param of how many the file has
public record TestSet(ReasoningTask task, List<Item> items, int of) {
  public TestSet {
    items = List.copyOf(items);
    if (items.isEmpty()) {
      throw new IllegalArgumentException("a test of %s has no items".formatted(task.title()));
    }
  }

  /// One question.
  ///
  /// @param number its place in the file, from 1
  public record Item(int number, Instruction instruction) {
    /// Names the item in a run: its task, number, and the beginning of its question's SHA-256, so
    /// that runs over different files are not taken for the same.
    public String key(ReasoningTask task) {
      return "%s/%s/%s".formatted(task.name(), Integer.toString(number), fingerprint());
    }

    private String fingerprint() {
      String text =
          String.join("\n", instruction.instruction(), instruction.input(), instruction.answer());
      return Sha256.of(text).substring(0, 8);
    }
  }

  /// The first `count` items, or all if there are not as many.
  public TestSet first(int count) {
    requireSome(count);
    return new TestSet(task, items.subList(0, Math.min(count, items.size())), of);
  }

  /// `count` items drawn without putting back, in the order of the file; all if there are not as
  /// many. The same seed draws the same, and with a greater count those and more.
  public TestSet sample(int count, long seed) {
    requireSome(count);
    var shuffled = new ArrayList<>(items);
    Collections.shuffle(shuffled, new Random(seed));
    return new TestSet(
        task,
        shuffled.subList(0, Math.min(count, items.size())).stream()
            .sorted(Comparator.comparingInt(Item::number))
            .toList(),
        of);
  }

  private static void requireSome(int count) {
    if (count < 1) {
      throw new IllegalArgumentException("at least one item is needed, found " + count);
    }
  }
}
