package dev.fathom.model;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Consecutive positions of a row, both ends included; negative ones count from the row's end, -1
/// is its last token. [#ALL] means every position that a pass computes.
///
/// In text: `all`, `last`, `3`, `-2`, `4-9`, `-4--1`.
public record PositionSpan(int first, int last) {
  public static final PositionSpan ALL = new PositionSpan(0, -1);
  public static final PositionSpan LAST = new PositionSpan(-1, -1);

  private static final Pattern TEXT = Pattern.compile("(-?\\d{1,9})(?:-(-?\\d{1,9}))?");

  public PositionSpan {
    if ((first < 0) == (last < 0) && first > last) {
      throw new IllegalArgumentException(
          "a range of positions goes upwards, found %d to %d: swap them".formatted(first, last));
    }
  }

  /// One position.
  public static PositionSpan at(int position) {
    return new PositionSpan(position, position);
  }

  /// The positions a text names.
  ///
  /// @throws IllegalArgumentException if it is none of the forms above
  public static PositionSpan parse(String text) {
    if (text.equals("all")) {
      return ALL;
    }
    if (text.equals("last")) {
      return LAST;
    }
    Matcher matcher = TEXT.matcher(text);
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          "'%s' is not a position: expected a number such as 3 or -1, a range such as 4-9, last or all"
              .formatted(text));
    }
    int first = Integer.parseInt(matcher.group(1));
    String second = matcher.group(2);
    return new PositionSpan(first, second == null ? first : Integer.parseInt(second));
  }

  /// Whether some position is in both for rows of every length; two spans counted from different
  /// ends meet only in short rows, which [Slice#overlaps(Slice, Layout)] sees.
  boolean alwaysMeets(PositionSpan other) {
    if (equals(ALL) || other.equals(ALL)) {
      return true;
    }
    boolean fromStart = first >= 0 && last >= 0 && other.first >= 0 && other.last >= 0;
    boolean fromEnd = first < 0 && last < 0 && other.first < 0 && other.last < 0;
    return (fromStart || fromEnd) && first <= other.last && other.first <= last;
  }

  /// The canonical text, which [#parse] reads back.
  @Override
  public String toString() {
    if (equals(ALL)) {
      return "all";
    }
    if (equals(LAST)) {
      return "last";
    }
    return first == last ? Integer.toString(first) : first + "-" + last;
  }
}
