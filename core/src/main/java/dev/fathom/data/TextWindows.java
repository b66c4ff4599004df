package dev.fathom.data;

import dev.fathom.text.Encoding;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Specials;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;

/// A long text in rows that a model can read, one after another. Each row begins with the start
/// token where the tokenizer's own files say that texts do.
///
/// The first tokens of a row have little before them: methods that average over positions see a
/// little more doubt than over the whole text. Longer rows lessen that.
///
/// @param rows token ids, at least two each; not copied
/// @param startTokens how many tokens at the start of each row stand for no text, 0 or 1
public record TextWindows(List<int[]> rows, int startTokens) {
  public TextWindows {
    rows = List.copyOf(rows);
  }

  /// Cuts a text.
  ///
  /// @param length most tokens of a row, the start token included
  /// @param startToken whether rows begin with it; empty for as the tokenizer's files say
  /// @throws IllegalArgumentException if the text has no two tokens, or rows are too short to hold
  ///   any
  public static TextWindows of(
      Tokenizer tokenizer, String text, int length, Optional<Boolean> startToken) {
    Specials specials = tokenizer.specials();
    OptionalInt start = specials.bos().isPresent() ? specials.bos() : specials.cls();
    int extra = start.isPresent() && startToken.orElse(specials.addsBos()) ? 1 : 0;
    if (length < 2 + extra) {
      throw new IllegalArgumentException(
          "Rows of a text need at least %d tokens, found %d.".formatted(2 + extra, length));
    }
    Encoding tokens = tokenizer.encode(text, SpecialTokens.NONE);
    int[] ids = tokens.ids();
    if (ids.length < 2) {
      throw new IllegalArgumentException(
          "The text has %d tokens; at least 2 are needed.".formatted(ids.length));
    }
    var rows = new ArrayList<int[]>();
    for (int from = 0; from < ids.length; from += length - extra) {
      int[] row = Arrays.copyOfRange(ids, from, Math.min(ids.length, from + length - extra));
      if (row.length > 1) {
        rows.add(extra == 0 ? row : withStart(start.getAsInt(), row));
      }
    }
    return new TextWindows(rows, extra);
  }

  private static int[] withStart(int start, int[] row) {
    int[] whole = new int[row.length + 1];
    whole[0] = start;
    System.arraycopy(row, 0, whole, 1, row.length);
    return whole;
  }

  /// The same with a share of the tokens masked, as masked models are trained to read.
  public TextWindows masked(int mask, double share, long seed) {
    var random = new Random(seed);
    var masked = new ArrayList<int[]>();
    for (int[] row : rows) {
      int[] copy = row.clone();
      for (int i = startTokens; i < copy.length; i++) {
        copy[i] = random.nextDouble() < share ? mask : copy[i];
      }
      masked.add(copy);
    }
    return new TextWindows(masked, startTokens);
  }

  /// Tokens of all rows.
  public long tokens() {
    return rows.stream().mapToLong(row -> row.length).sum();
  }
}
