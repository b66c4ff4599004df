package dev.fathom.data;

import dev.fathom.text.Encoding;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.TokenDisplay;
import dev.fathom.text.Tokenizer;
import java.lang.Character.UnicodeScript;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/// The token or tokens that an analysis asks about: how likely is it that they come next?
///
/// Prompt and target are tokenized together, and the tokens that are new are the target. Most
/// methods use the first of them, [#id()].
///
/// @param text the target as it was tokenized, with its leading space
/// @param ids the new tokens, at least one
/// @param notes what its author may not expect, one sentence each
public record Target(String text, List<Integer> ids, List<String> notes) {
  /// Scripts that write no spaces between words.
  private static final Set<UnicodeScript> WITHOUT_SPACES =
      Set.of(
          UnicodeScript.HAN,
          UnicodeScript.HIRAGANA,
          UnicodeScript.KATAKANA,
          UnicodeScript.THAI,
          UnicodeScript.LAO,
          UnicodeScript.KHMER,
          UnicodeScript.MYANMAR);

  public Target {
    ids = List.copyOf(ids);
    notes = List.copyOf(notes);
    if (ids.isEmpty()) {
      throw new IllegalArgumentException("The target is empty: it adds no token to the prompt.");
    }
  }

  /// The first new token.
  public int id() {
    return ids.getFirst();
  }

  /// What `text` adds to `prompt`. A word after a word gets the leading space that it lacks.
  ///
  /// @throws IllegalArgumentException if nothing is new
  public static Target of(Tokenizer tokenizer, Prompt prompt, String text) {
    var notes = new ArrayList<String>();
    String before = prompt.text();
    boolean afterText = !before.isEmpty() && !endsWithSpace(before);
    String target = afterText ? spaced(text, notes) : text;
    Encoding alone = tokenizer.encode(before, SpecialTokens.NONE);
    Encoding joint = tokenizer.encode(before + target, SpecialTokens.NONE);
    int from = firstNew(alone, joint, before.length(), notes);
    int[] ids = Arrays.copyOfRange(joint.ids(), from, joint.size());
    return resolved(tokenizer, text, target, ids, notes);
  }

  /// The tokens of `text` where it replaces a mask token inside another text.
  ///
  /// @throws IllegalArgumentException if it has no tokens
  public static Target atMask(Tokenizer tokenizer, String text) {
    var notes = new ArrayList<String>();
    String target = spaced(text, notes);
    int[] ids = tokenizer.encode(target, SpecialTokens.NONE).ids();
    return resolved(tokenizer, text, target, ids, notes);
  }

  private static Target resolved(
      Tokenizer tokenizer, String text, String target, int[] ids, List<String> notes) {
    if (ids.length == 0) {
      throw new IllegalArgumentException(
          "The target '%s' adds no token to the prompt.".formatted(TokenDisplay.visible(text)));
    }
    if (ids.length > 1) {
      notes.add(
          "The target '%s' is %d tokens; the first one, '%s', stands for it."
              .formatted(
                  TokenDisplay.visible(target), ids.length, TokenDisplay.of(tokenizer, ids[0])));
    }
    return new Target(target, Arrays.stream(ids).boxed().toList(), notes);
  }

  private static String spaced(String text, List<String> notes) {
    if (text.isEmpty() || !wantsSpace(text.codePointAt(0))) {
      return text;
    }
    notes.add(
        "The target '%s' was given the leading space that it has in running text."
            .formatted(TokenDisplay.visible(text)));
    return " " + text;
  }

  private static boolean wantsSpace(int first) {
    return Character.isLetterOrDigit(first) && !WITHOUT_SPACES.contains(UnicodeScript.of(first));
  }

  private static boolean endsWithSpace(String text) {
    return Character.isWhitespace(text.codePointBefore(text.length()));
  }

  /// The index of the first token of `joint` that is not one of the prompt's.
  private static int firstNew(Encoding alone, Encoding joint, int boundary, List<String> notes) {
    int same = 0;
    while (same < Math.min(alone.size(), joint.size()) && alone.id(same) == joint.id(same)) {
      same++;
    }
    if (same == alone.size()) {
      return same;
    }
    notes.add("The target changes how the end of the prompt is tokenized.");
    while (same < joint.size() && joint.end(same) <= boundary) {
      same++;
    }
    return same;
  }
}
