package dev.fathom.evaluate.bias;

import dev.fathom.text.Encoding;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Specials;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// A tokenizer for tiny masked models: words, in pieces of at most four letters, each with an id
/// made of its letters.
final class PieceTokenizer implements Tokenizer {
  static final int CLS = 1;
  static final int SEP = 2;
  static final int MASK = 3;
  private static final int SIZE = 131;
  private static final int LONGEST = 4;

  static int idOf(String piece) {
    return piece.equals("[MASK]") ? MASK : 4 + Math.floorMod(piece.hashCode(), SIZE - 4);
  }

  @Override
  public int size() {
    return SIZE;
  }

  @Override
  public Encoding encode(String text, SpecialTokens special) {
    var pieces = new ArrayList<String>();
    var spans = new ArrayList<int[]>();
    boolean around = special == SpecialTokens.AS_CONFIGURED;
    if (around) {
      pieces.add("[CLS]");
      spans.add(new int[] {0, 0});
    }
    for (int at = 0; at < text.length(); ) {
      int end = text.indexOf(' ', at) < 0 ? text.length() : text.indexOf(' ', at);
      while (at < end) {
        int to = text.startsWith("[MASK]", at) ? at + 6 : Math.min(end, at + LONGEST);
        pieces.add(text.substring(at, to));
        spans.add(new int[] {at, to});
        at = to;
      }
      at = end + 1;
    }
    if (around) {
      pieces.add("[SEP]");
      spans.add(new int[] {text.length(), text.length()});
    }
    int[] ids = pieces.stream().mapToInt(PieceTokenizer::idOf).toArray();
    if (around) {
      ids[0] = CLS;
      ids[ids.length - 1] = SEP;
    }
    return new Encoding(
        ids,
        List.copyOf(pieces),
        spans.stream().mapToInt(s -> s[0]).toArray(),
        spans.stream().mapToInt(s -> s[1]).toArray());
  }

  @Override
  public String decode(int[] ids, boolean skipSpecial) {
    throw new UnsupportedOperationException();
  }

  @Override
  public String piece(int id) {
    return id == MASK ? "[MASK]" : "⟨" + id + "⟩";
  }

  @Override
  public String display(int id) {
    return piece(id);
  }

  @Override
  public OptionalInt id(String piece) {
    return OptionalInt.of(idOf(piece));
  }

  @Override
  public boolean isSpecial(int id) {
    return id < 4;
  }

  @Override
  public Specials specials() {
    var none = OptionalInt.empty();
    return new Specials(
        none,
        none,
        none,
        none,
        OptionalInt.of(MASK),
        OptionalInt.of(CLS),
        OptionalInt.of(SEP),
        true,
        true);
  }

  @Override
  public Optional<String> chatTemplate() {
    return Optional.empty();
  }
}
