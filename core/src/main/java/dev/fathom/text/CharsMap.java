package dev.fathom.text;

import dev.fathom.FathomException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// SentencePiece's precompiled normalisation rules: a double-array trie over UTF-8 bytes (the
/// layout of Darts-clone) whose values point into a block of NUL-ended replacements. The longest
/// rule that matches wins.
///
/// The blob is: trie size in bytes (u32, little-endian), the trie's units (u32 each), the
/// replacements.
final class CharsMap {
  private static final int MAX_REPLACEMENT_BYTES = 1024;

  private final int[] units;
  private final Map<Integer, String> replacements;

  private CharsMap(int[] units, Map<Integer, String> replacements) {
    this.units = units;
    this.replacements = replacements;
  }

  /// What a rule does at some place: replace `bytes` bytes of UTF-8 by `text`.
  record Match(int bytes, String text) {}

  static CharsMap parse(ByteBuffer blob) {
    ByteBuffer in = blob.slice().order(ByteOrder.LITTLE_ENDIAN);
    long trieBytes = in.remaining() < 4 ? -1 : Integer.toUnsignedLong(in.getInt());
    if (trieBytes <= 0 || trieBytes % 4 != 0 || trieBytes > in.remaining()) {
      throw new FathomException(
          "expected a normalisation table, found a trie of %d bytes in a block of %d"
              .formatted(trieBytes, blob.remaining()));
    }
    int[] units = new int[(int) (trieBytes / 4)];
    in.asIntBuffer().get(units);
    in.position(in.position() + (int) trieBytes);
    checkClosed(units, in.remaining());
    return new CharsMap(units, split(in.slice()));
  }

  /// Checks that no text whatever leads out of the table: every unit that can be reached from the
  /// root has all 256 possible successors inside the trie, and every value is inside the block.
  private static void checkClosed(int[] units, int blockBytes) {
    BitSet seen = new BitSet(units.length);
    ArrayDeque<Integer> open = new ArrayDeque<>(List.of(offset(units[0])));
    while (!open.isEmpty()) {
      int base = open.pop();
      if (base < 0 || (base | 0xFF) >= units.length) {
        throw new FathomException("expected a closed normalisation table, found a way out of it");
      }
      for (int label = 0; label < 256; label++) {
        int node = base ^ label;
        if (label(units[node]) != label || seen.get(node)) {
          continue;
        }
        seen.set(node);
        int next = node ^ offset(units[node]);
        open.push(next);
        boolean outside = next < 0 || next >= units.length;
        if (hasLeaf(units[node]) && !outside && (units[next] & 0x7FFFFFFF) >= blockBytes) {
          throw new FathomException("expected a closed normalisation table, found a way out of it");
        }
      }
    }
  }

  /// Replacements by the offset where they begin: after each NUL, so that an offset into the middle
  /// of one, which no real table has, is simply unknown.
  private static Map<Integer, String> split(ByteBuffer block) {
    Map<Integer, String> replacements = new HashMap<>();
    int start = 0;
    for (int i = 0; i < block.limit(); i++) {
      if (block.get(i) != 0) {
        continue;
      }
      if (i - start > MAX_REPLACEMENT_BYTES) {
        throw new FathomException(
            "expected replacements of at most %d bytes in the normalisation table, found %d"
                .formatted(MAX_REPLACEMENT_BYTES, i - start));
      }
      try {
        replacements.put(
            start,
            StandardCharsets.UTF_8.newDecoder().decode(block.slice(start, i - start)).toString());
      } catch (CharacterCodingException e) {
        throw new FathomException("expected UTF-8 in the normalisation table, found other bytes");
      }
      start = i + 1;
    }
    return replacements;
  }

  /// The longest rule for the bytes at `from`, or null if none applies.
  @Nullable Match longest(byte[] utf8, int from) {
    int bytes = 0;
    int value = -1;
    int node = offset(units[0]);
    for (int i = from; i < utf8.length; i++) {
      int label = utf8[i] & 0xFF;
      node ^= label;
      if (node < 0 || node >= units.length || label(units[node]) != label) {
        break;
      }
      int unit = units[node];
      node ^= offset(unit);
      if (hasLeaf(unit) && node >= 0 && node < units.length) {
        boolean atBoundary = i + 1 == utf8.length || (utf8[i + 1] & 0xC0) != 0x80;
        if (atBoundary) {
          bytes = i + 1 - from;
          value = units[node] & 0x7FFFFFFF;
        }
      }
    }
    String text = bytes == 0 ? null : replacements.get(value);
    return text == null ? null : new Match(bytes, text);
  }

  private static boolean hasLeaf(int unit) {
    return (unit >>> 8 & 1) == 1;
  }

  private static int label(int unit) {
    return unit & 0x800000FF;
  }

  private static int offset(int unit) {
    return unit >>> 10 << ((unit & 0x200) >>> 6);
  }
}
