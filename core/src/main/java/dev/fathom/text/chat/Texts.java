package dev.fathom.text.chat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/// What Python's `str` can do, on Java's. Positions are UTF-16 units; callers that show one to a
/// template convert it to code points.
final class Texts {
  private Texts() {}

  static String upper(String text) {
    return text.toUpperCase(Locale.ROOT);
  }

  static String lower(String text) {
    return text.toLowerCase(Locale.ROOT);
  }

  /// The first character in upper, the others in lower case.
  static String capitalize(String text) {
    if (text.isEmpty()) {
      return text;
    }
    int first = text.offsetByCodePoints(0, 1);
    return titleCase(text.codePointAt(0)) + lower(text.substring(first));
  }

  /// `str.title`: a word is a run of letters.
  static String title(String text) {
    return title(text, Character::isLetter);
  }

  /// Every word with its first character in upper, the others in lower case.
  ///
  /// @param continues whether the character after this one belongs to the same word
  static String title(String text, IntPredicate continues) {
    var title = new StringBuilder(text.length());
    boolean inWord = false;
    for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
      int c = text.codePointAt(i);
      if (c < 0x80) {
        title.append((char) (inWord ? Character.toLowerCase(c) : Character.toUpperCase(c)));
      } else {
        title.append(inWord ? lower(Character.toString(c)) : titleCase(c));
      }
      inWord = continues.test(c);
    }
    return title.toString();
  }

  private static String titleCase(int c) {
    if (Character.toTitleCase(c) != c) {
      return Character.toString(Character.toTitleCase(c));
    }
    var upper = upper(Character.toString(c)); // "ß" becomes "SS", and so "Ss"
    int first = upper.offsetByCodePoints(0, 1);
    return upper.substring(0, first) + lower(upper.substring(first));
  }

  static boolean all(String text, IntPredicate each) {
    return !text.isEmpty() && text.codePoints().allMatch(each);
  }

  /// `str.isupper`: some letter, and none in lower case.
  static boolean isUpper(String text) {
    return text.codePoints().anyMatch(Character::isUpperCase)
        && text.codePoints().noneMatch(c -> Character.isLowerCase(c) || Character.isTitleCase(c));
  }

  static boolean isLower(String text) {
    return text.codePoints().anyMatch(Character::isLowerCase)
        && text.codePoints().noneMatch(c -> Character.isUpperCase(c) || Character.isTitleCase(c));
  }

  enum Side {
    LEFT,
    RIGHT,
    BOTH
  }

  /// Removes characters from the ends: those in `set`, or blanks if it is null.
  static String strip(String text, @Nullable String set, Side side) {
    IntPredicate goes = set == null ? Characters::isSpace : c -> set.indexOf(c) >= 0;
    int start = 0;
    int end = text.length();
    while (side != Side.RIGHT && start < end && goes.test(text.codePointAt(start))) {
      start += Character.charCount(text.codePointAt(start));
    }
    while (side != Side.LEFT && end > start && goes.test(text.codePointBefore(end))) {
      end -= Character.charCount(text.codePointBefore(end));
    }
    return text.substring(start, end);
  }

  /// Replaces up to `count` places, all if it is negative.
  static String replace(Budget budget, String text, String old, String by, int count) {
    var out = new Output(budget);
    int left = count < 0 ? Integer.MAX_VALUE : count;
    int at = 0;
    while (left > 0) {
      budget.spend(1);
      int found = text.indexOf(old, at);
      if (found < 0) {
        break;
      }
      out.append(text.substring(at, found)).append(by);
      left--;
      at = found + old.length();
      if (old.isEmpty()) {
        if (at >= text.length()) {
          return out.toString();
        }
        int next = text.offsetByCodePoints(at, 1);
        out.append(text.substring(at, next));
        at = next;
      }
    }
    return out.append(text.substring(at)).toString();
  }

  /// Splits at `separator`, or at runs of blanks if it is null, at most `count` times if not
  /// negative; from the right if `fromRight`.
  static List<String> split(
      Budget budget, String text, @Nullable String separator, int count, boolean fromRight) {
    if (separator != null && separator.isEmpty()) {
      throw new Failure("a text cannot be split at an empty separator");
    }
    int left = count < 0 ? Integer.MAX_VALUE : count;
    if (separator == null) {
      return fromRight ? wordsFromRight(budget, text, left) : words(budget, text, left);
    }
    return fromRight
        ? splitRight(budget, text, separator, left)
        : splitLeft(budget, text, separator, left);
  }

  private static List<String> splitLeft(Budget budget, String text, String separator, int count) {
    var parts = new ArrayList<String>();
    int at = 0;
    for (int found = text.indexOf(separator); found >= 0 && parts.size() < count; ) {
      budget.spend(4);
      parts.add(text.substring(at, found));
      at = found + separator.length();
      found = text.indexOf(separator, at);
    }
    parts.add(text.substring(at));
    return parts;
  }

  private static List<String> splitRight(Budget budget, String text, String separator, int count) {
    var parts = new ArrayList<String>();
    int end = text.length();
    while (parts.size() < count) {
      budget.spend(4);
      int found =
          end < separator.length() ? -1 : text.lastIndexOf(separator, end - separator.length());
      if (found < 0) {
        break;
      }
      parts.add(text.substring(found + separator.length(), end));
      end = found;
    }
    parts.add(text.substring(0, end));
    Collections.reverse(parts);
    return parts;
  }

  private static List<String> words(Budget budget, String text, int count) {
    var words = new ArrayList<String>();
    int start = skip(text, 0, true);
    while (start < text.length() && words.size() < count) {
      budget.spend(4);
      int end = skip(text, start, false);
      words.add(text.substring(start, end));
      start = skip(text, end, true);
    }
    if (start < text.length()) {
      words.add(text.substring(start));
    }
    return words;
  }

  private static List<String> wordsFromRight(Budget budget, String text, int count) {
    var words = new ArrayList<String>();
    int end = skipBack(text, text.length(), true);
    while (end > 0 && words.size() < count) {
      budget.spend(4);
      int start = skipBack(text, end, false);
      words.add(text.substring(start, end));
      end = skipBack(text, start, true);
    }
    if (end > 0) {
      words.add(text.substring(0, end));
    }
    Collections.reverse(words);
    return words;
  }

  private static int skip(String text, int from, boolean spaces) {
    int at = from;
    while (at < text.length() && Characters.isSpace(text.charAt(at)) == spaces) {
      at++;
    }
    return at;
  }

  private static int skipBack(String text, int from, boolean spaces) {
    int at = from;
    while (at > 0 && Characters.isSpace(text.charAt(at - 1)) == spaces) {
      at--;
    }
    return at;
  }

  /// Lines without, or with, what ends them; `\r\n` is one end.
  static List<String> lines(Budget budget, String text, boolean keepEnds) {
    var lines = new ArrayList<String>();
    int start = 0;
    for (int i = 0; i < text.length(); i++) {
      if (!Characters.isLineEnd(text.charAt(i))) {
        continue;
      }
      budget.spend(4);
      int next = text.startsWith("\r\n", i) ? i + 2 : i + 1;
      lines.add(text.substring(start, keepEnds ? next : i));
      start = next;
      i = next - 1;
    }
    if (start < text.length()) {
      lines.add(text.substring(start));
    }
    return lines;
  }

  static int count(Budget budget, String text, String part) {
    if (part.isEmpty()) {
      return text.codePointCount(0, text.length()) + 1;
    }
    budget.spend(text.length() / 16);
    int count = 0;
    for (int at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length())) {
      count++;
    }
    return count;
  }

  /// Fills up to `width` characters; `place` is the share of the filling that goes to the left, 0
  /// to 2.
  static String pad(Budget budget, String text, int width, String fill, int place) {
    if (fill.codePointCount(0, fill.length()) != 1) {
      throw new Failure("the fill of a padded text is one character");
    }
    int missing = width - text.codePointCount(0, text.length());
    if (missing <= 0) {
      return text;
    }
    budget.spendText(text.length() + 2L * missing);
    int left = place == 1 ? missing / 2 + (missing & width & 1) : missing * (place / 2);
    return fill.repeat(left) + text + fill.repeat(missing - left);
  }
}
