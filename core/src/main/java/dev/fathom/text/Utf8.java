package dev.fathom.text;

import java.nio.charset.StandardCharsets;

/// UTF-8 where the JDK's decoder is too forgiving or replaces differently from the references.
final class Utf8 {
  private static final char REPLACEMENT = '\uFFFD';

  private Utf8() {}

  /// `text` with every unpaired surrogate replaced by U+FFFD; the length in chars stays the same.
  static String wellFormed(String text) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (Character.isSurrogate(c)) {
        if (Character.isHighSurrogate(c)
            && i + 1 < text.length()
            && Character.isLowSurrogate(text.charAt(i + 1))) {
          i++;
        } else {
          return replaceUnpaired(text, i);
        }
      }
    }
    return text;
  }

  private static String replaceUnpaired(String text, int from) {
    char[] chars = text.toCharArray();
    for (int i = from; i < chars.length; i++) {
      if (Character.isHighSurrogate(chars[i])
          && i + 1 < chars.length
          && Character.isLowSurrogate(chars[i + 1])) {
        i++;
      } else if (Character.isSurrogate(chars[i])) {
        chars[i] = REPLACEMENT;
      }
    }
    return new String(chars);
  }

  /// The length in bytes of the valid character at `at`, or 0 if there is none (overlong forms,
  /// surrogates, values above U+10FFFF and cut-off sequences are not valid).
  static int validLength(byte[] bytes, int at, int end) {
    int first = bytes[at] & 0xFF;
    if (first < 0x80) {
      return 1;
    }
    int length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (length == 0 || at + length > end) {
      return 0;
    }
    int second = bytes[at + 1] & 0xFF;
    int lowest = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    int highest = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (second < lowest || second > highest) {
      return 0;
    }
    for (int i = 2; i < length; i++) {
      if ((bytes[at + i] & 0xC0) != 0x80) {
        return 0;
      }
    }
    return length;
  }

  /// Decodes `bytes`; each byte that starts no valid character becomes one U+FFFD, as in
  /// SentencePiece.
  static String decode(byte[] bytes) {
    return decode(bytes, false);
  }

  /// Decodes `bytes` for people; each byte that starts no valid character becomes `\xHH`.
  static String show(byte[] bytes) {
    return decode(bytes, true);
  }

  private static String decode(byte[] bytes, boolean show) {
    StringBuilder text = new StringBuilder(bytes.length);
    int at = 0;
    while (at < bytes.length) {
      int valid = at;
      for (int n; valid < bytes.length && (n = validLength(bytes, valid, bytes.length)) > 0; ) {
        valid += n;
      }
      text.append(new String(bytes, at, valid - at, StandardCharsets.UTF_8));
      if (valid < bytes.length) {
        if (show) {
          text.append("\\x%02X".formatted(bytes[valid] & 0xFF));
        } else {
          text.append(REPLACEMENT);
        }
        valid++;
      }
      at = valid;
    }
    return text.toString();
  }
}
