package dev.fathom.text;

import java.util.Arrays;

/// GPT-2's spelling of bytes as printable characters: a piece such as `Ġcafé` is a sequence of
/// bytes, each written as one character. Printable Latin-1 bytes stand for themselves, the other 68
/// are moved to U+0100 and up in order (Radford et al. 2019, the reference encoder's byte table).
final class ByteLevel {
  private static final int TABLE = 0x100 + 68;
  private static final short[] BYTE_OF = new short[TABLE];

  static {
    Arrays.fill(BYTE_OF, (short) -1);
    int moved = 0x100;
    for (int b = 0; b < 256; b++) {
      boolean printable = (b > 0x20 && b < 0x7F) || (b > 0xA0 && b != 0xAD);
      BYTE_OF[printable ? b : moved++] = (short) b;
    }
  }

  private ByteLevel() {}

  /// The text of a byte-level piece for people. Characters outside the byte table stay as they are.
  static String show(String piece) {
    byte[] bytes = new byte[piece.length()];
    for (int i = 0; i < bytes.length; i++) {
      char c = piece.charAt(i);
      if (c >= TABLE || BYTE_OF[c] < 0) {
        return piece;
      }
      bytes[i] = (byte) BYTE_OF[c];
    }
    return Utf8.show(bytes);
  }
}
