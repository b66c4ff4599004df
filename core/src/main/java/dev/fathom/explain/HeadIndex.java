package dev.fathom.explain;

import dev.fathom.model.Attention;
import dev.fathom.model.Transformer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// One attention head of a model, both numbers from 0; in text `20.3`.
public record HeadIndex(int layer, int head) implements Comparable<HeadIndex> {
  private static final Pattern TEXT = Pattern.compile("(\\d{1,6})\\.h?(\\d{1,6})");

  /// The head a text names: `20.3`, or `20.h3` as in the addresses of sites.
  ///
  /// @throws IllegalArgumentException if it names none
  public static HeadIndex parse(String text) {
    Matcher matcher = TEXT.matcher(text.strip());
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          "'%s' is not a head: expected layer and head, such as 20.3.".formatted(text));
    }
    return new HeadIndex(Integer.parseInt(matcher.group(1)), Integer.parseInt(matcher.group(2)));
  }

  /// This head, if a model has it.
  ///
  /// @throws IllegalArgumentException if not
  public HeadIndex in(Transformer model) {
    if (layer < 0 || layer >= model.layers() || head < 0 || head >= count(model)) {
      throw new IllegalArgumentException(
          "There is no head %s: this model has layers 0 to %d with heads 0 to %d."
              .formatted(this, model.layers() - 1, count(model) - 1));
    }
    return this;
  }

  /// Heads of each layer.
  public static int count(Transformer model) {
    int[] counts =
        model.blocks().stream()
            .map(block -> block.attention())
            .mapToInt(Attention::heads)
            .distinct()
            .toArray();
    if (counts.length != 1) {
      throw new IllegalArgumentException(
          "The layers of this model differ in their number of heads, which no map of layers and heads can show.");
    }
    return counts[0];
  }

  @Override
  public int compareTo(HeadIndex other) {
    return layer != other.layer ? layer - other.layer : head - other.head;
  }

  @Override
  public String toString() {
    return layer + "." + head;
  }
}
