package dev.fathom.model;

import dev.fathom.text.Tokenizer;
import java.util.Arrays;
import java.util.List;

/// Turns tokens into text as they come. Gives out only what no later token can change or cut off:
/// whole characters that are not the beginning of a stop text.
///
/// What a token says can depend on the one before it (a leading space, bytes of one character), so
/// each is decoded together with those before it, beginning with the end of the prompt.
final class TextStream {
  private static final char REPLACEMENT = '\uFFFD';

  /// Bytes of an unfinished character, each of which some tokenizers show.
  private static final int MOST_UNFINISHED = 3;

  /// How much of the prompt is enough to know how the first token attaches to it.
  private static final int CONTEXT = 8;

  private final Tokenizer tokenizer;
  private final boolean skipSpecial;
  private final List<String> stops;
  private final StringBuilder text = new StringBuilder();
  private int[] ids;
  private int size;
  private int from;
  private int told;
  private int toldChars;
  private int given;
  private boolean stopped;

  TextStream(Tokenizer tokenizer, int[] prompt, Decoding decoding) {
    this.tokenizer = tokenizer;
    this.skipSpecial = !decoding.showsControl();
    this.stops = decoding.stopTexts();
    this.ids = Arrays.copyOfRange(prompt, Math.max(0, prompt.length - CONTEXT), prompt.length);
    this.size = ids.length;
    this.told = size;
    String before = decoded(0);
    this.toldChars = before.length() - unfinished(before);
  }

  private String decoded(int start) {
    return tokenizer.decode(Arrays.copyOfRange(ids, start, size), skipSpecial);
  }

  /// The text that is certain now and was not before.
  String accept(int id) {
    if (size == ids.length) {
      ids = Arrays.copyOf(ids, Math.max(16, 2 * size));
    }
    ids[size++] = id;
    String window = decoded(from);
    int unfinished = unfinished(window);
    if (window.length() - unfinished <= toldChars) {
      return "";
    }
    text.append(window, toldChars, window.length() - unfinished);
    toldChars = window.length() - unfinished;
    if (unfinished == 0) {
      moveWindow();
    }
    return given(false);
  }

  /// From now on decodes together with the tokens that were told last, if they say anything alone.
  private void moveWindow() {
    int chars = decoded(told).length();
    if (chars > 0) {
      from = told;
      toldChars = chars;
    }
    told = size;
  }

  private static int unfinished(String text) {
    int count = 0;
    while (count < Math.min(MOST_UNFINISHED, text.length())
        && text.charAt(text.length() - 1 - count) == REPLACEMENT) {
      count++;
    }
    return count;
  }

  /// The rest, when no more tokens come.
  String end() {
    if (stopped) {
      return "";
    }
    String window = decoded(from);
    text.append(window, Math.min(toldChars, window.length()), window.length());
    toldChars = window.length();
    return given(true);
  }

  /// Whether a stop text has come; nothing is told after it.
  boolean stopped() {
    return stopped;
  }

  /// All that was given out.
  String text() {
    return text.substring(0, given);
  }

  private String given(boolean last) {
    int cut = cut();
    int end = cut >= 0 ? cut : last ? text.length() : text.length() - beginningOfStop();
    stopped = cut >= 0;
    String fresh = text.substring(given, Math.max(given, end));
    given += fresh.length();
    return fresh;
  }

  /// Where the first stop text begins, or -1. None begins in what was given out.
  private int cut() {
    return stops.stream()
        .mapToInt(stop -> text.indexOf(stop, given))
        .filter(at -> at >= 0)
        .min()
        .orElse(-1);
  }

  /// Length of the longest end of the text that a stop text begins with.
  private int beginningOfStop() {
    int longest = 0;
    for (String stop : stops) {
      for (int n = Math.min(stop.length() - 1, text.length() - given); n > longest; n--) {
        if (text.indexOf(stop.substring(0, n), text.length() - n) >= 0) {
          longest = n;
        }
      }
    }
    return longest;
  }
}
