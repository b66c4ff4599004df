package dev.fathom.model;

import dev.fathom.text.Encoding;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Specials;
import dev.fathom.text.Tokenizer;
import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// A tokenizer for models without text: the tokens of "3 14 15" are 3, 14 and 15.
public record Numbers(int size) implements Tokenizer {
  @Override
  public Encoding encode(String text, SpecialTokens special) {
    var words = text.isBlank() ? new String[0] : text.strip().split(" ", -1);
    int[] ids = Arrays.stream(words).mapToInt(Integer::parseInt).toArray();
    int[] ends = new int[ids.length];
    int[] starts = new int[ids.length];
    int at = 0;
    for (int i = 0; i < ids.length; i++) {
      starts[i] = at;
      ends[i] = at + words[i].length();
      at = ends[i] + 1;
    }
    return new Encoding(ids, Arrays.asList(words), starts, ends);
  }

  @Override
  public String decode(int[] ids, boolean skipSpecial) {
    return IntStream.of(ids).mapToObj(Integer::toString).collect(Collectors.joining(" "));
  }

  @Override
  public String piece(int id) {
    return Integer.toString(id);
  }

  @Override
  public String display(int id) {
    return Integer.toString(id);
  }

  @Override
  public OptionalInt id(String piece) {
    return OptionalInt.of(Integer.parseInt(piece));
  }

  @Override
  public boolean isSpecial(int id) {
    return false;
  }

  @Override
  public Specials specials() {
    var none = OptionalInt.empty();
    return new Specials(none, none, none, none, none, none, none, false, false);
  }

  @Override
  public Optional<String> chatTemplate() {
    return Optional.empty();
  }
}
