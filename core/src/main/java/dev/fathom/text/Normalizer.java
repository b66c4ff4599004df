package dev.fathom.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// SentencePiece's normalisation: character rules, white space rules, and a map from every
/// normalised char back to the text it came from.
final class Normalizer {
  private final SentencePieceModel.Whitespace whitespace;
  private final @Nullable CharsMap charsmap;
  private final PieceTrie userDefined;

  /// @param userDefined pieces that pass through untouched
  Normalizer(SentencePieceModel model, PieceTrie userDefined) {
    this.whitespace = model.whitespace();
    this.charsmap = model.charsmap();
    this.userDefined = userDefined;
  }

  /// @param origin `origin[i]` is the char of the original text that normalised char `i` came from;
  ///   one more entry for the end
  @SuppressWarnings("ArrayRecordComponent")
  record Normalized(String text, int[] origin) {}

  /// Normalises `text`, which must be well-formed; `origin` counts from `base`.
  Normalized normalize(String text, int base, boolean dummyPrefix) {
    if (text.isEmpty()) {
      return new Normalized("", new int[] {base});
    }
    return new Run(text, base).run(dummyPrefix && whitespace.dummyPrefix());
  }

  /// One pass over one text.
  private final class Run {
    private final String text;
    private final int base;
    private final byte[] utf8;
    private final StringBuilder out;
    private int[] origin;
    private int at;
    private int byteAt;

    // The stretch of text that the last call of next() covers, and what it becomes.
    private int consumed;
    private int consumedBytes;
    private String replacement = "";
    private int from;
    private int to;

    Run(String text, int base) {
      this.text = text;
      this.base = base;
      this.utf8 = charsmap == null ? new byte[0] : text.getBytes(StandardCharsets.UTF_8);
      this.out = new StringBuilder(text.length() + 8);
      this.origin = new int[text.length() + 9];
    }

    Normalized run(boolean dummyPrefix) {
      boolean fold = whitespace.removeExtra();
      if (fold) {
        for (; at < text.length(); advance()) {
          next();
          if (!isSingleSpace()) {
            break;
          }
        }
        if (at == text.length()) {
          return new Normalized("", new int[] {base + at});
        }
      }
      if (dummyPrefix && !whitespace.asSuffix()) {
        append(' ', at);
      }
      boolean afterSpace = fold;
      for (; at < text.length(); advance()) {
        next();
        while (afterSpace && from < to && replacement.charAt(from) == ' ') {
          from++;
        }
        for (int i = from; i < to; i++) {
          append(replacement.charAt(i), at);
        }
        if (from < to) {
          afterSpace = replacement.charAt(to - 1) == ' ';
        }
        afterSpace &= fold;
      }
      int end = at;
      if (fold) {
        char space = whitespace.escape() ? SentencePieceModel.SPACE_SYMBOL : ' ';
        while (!out.isEmpty() && out.charAt(out.length() - 1) == space) {
          out.setLength(out.length() - 1);
          end = origin[out.length()] - base;
        }
      }
      if (dummyPrefix && whitespace.asSuffix()) {
        append(' ', end);
      }
      int[] map = Arrays.copyOf(origin, out.length() + 1);
      map[out.length()] = base + end;
      return new Normalized(out.toString(), map);
    }

    /// Finds what the text at `at` becomes: a user-defined piece itself, the longest rule's
    /// replacement, or the character itself.
    private void next() {
      int piece = userDefined.isEmpty() ? at : userDefined.longest(text, at, text.length());
      if (piece > at) {
        keep(piece - at);
        return;
      }
      CharsMap.Match match = charsmap == null ? null : charsmap.longest(utf8, byteAt);
      if (match == null) {
        keep(Character.charCount(text.codePointAt(at)));
        return;
      }
      consumedBytes = match.bytes();
      consumed = 0;
      for (int i = byteAt; i < byteAt + consumedBytes; i++) {
        int lead = utf8[i] & 0xFF;
        consumed += lead >= 0xF0 ? 2 : (lead & 0xC0) != 0x80 ? 1 : 0;
      }
      replacement = match.text();
      from = 0;
      to = replacement.length();
    }

    private void keep(int chars) {
      consumed = chars;
      replacement = text;
      from = at;
      to = at + chars;
      consumedBytes = 0;
      for (int i = from, c; charsmap != null && i < to; i += Character.charCount(c)) {
        c = text.codePointAt(i);
        consumedBytes += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
      }
    }

    private boolean isSingleSpace() {
      return to - from == 1 && replacement.charAt(from) == ' ';
    }

    private void advance() {
      at += consumed;
      byteAt += consumedBytes;
    }

    private void append(char c, int source) {
      if (out.length() == origin.length) {
        origin = Arrays.copyOf(origin, origin.length * 2);
      }
      origin[out.length()] = base + source;
      out.append(c == ' ' && whitespace.escape() ? SentencePieceModel.SPACE_SYMBOL : c);
    }
  }
}
