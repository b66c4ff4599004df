package dev.fathom.align;

import dev.fathom.text.Encoding;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Specials;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// A tokenizer for tiny models: every word is a token, whose id is made of its letters. Ids 0 and 1
/// begin and end texts.
///
/// @param size of the vocabulary
/// @param begins whether texts get a start token
public record Words(int size, boolean begins) implements Tokenizer {
  public static final int BOS = 0;
  public static final int EOS = 1;
  private static final Pattern WORD = Pattern.compile("\\S+");

  public int idOf(String word) {
    return 2 + Math.floorMod(word.hashCode() * 31, size - 2);
  }

  @Override
  public Encoding encode(String text, SpecialTokens special) {
    var pieces = new ArrayList<String>();
    var spans = new ArrayList<int[]>();
    boolean first = begins && special == SpecialTokens.AS_CONFIGURED;
    if (first) {
      pieces.add("<s>");
      spans.add(new int[] {0, 0});
    }
    Matcher words = WORD.matcher(text);
    while (words.find()) {
      pieces.add(words.group());
      spans.add(new int[] {words.start(), words.end()});
    }
    int[] ids = pieces.stream().mapToInt(this::idOf).toArray();
    if (first) {
      ids[0] = BOS;
    }
    return new Encoding(
        ids,
        List.copyOf(pieces),
        spans.stream().mapToInt(span -> span[0]).toArray(),
        spans.stream().mapToInt(span -> span[1]).toArray());
  }

  @Override
  public String decode(int[] ids, boolean skipSpecial) {
    return Arrays.stream(ids).mapToObj(this::piece).collect(Collectors.joining(" "));
  }

  @Override
  public String piece(int id) {
    return "⟨" + id + "⟩";
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
    return id <= EOS;
  }

  @Override
  public Specials specials() {
    var none = OptionalInt.empty();
    return new Specials(
        begins ? OptionalInt.of(BOS) : none,
        OptionalInt.of(EOS),
        none,
        none,
        none,
        none,
        none,
        begins,
        false);
  }

  @Override
  public Optional<String> chatTemplate() {
    return Optional.empty();
  }
}
