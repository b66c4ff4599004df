package dev.fathom.evaluate.bias;

import dev.fathom.text.Specials;
import dev.fathom.text.Tokenizer;
import java.util.Optional;

/// The token from which a sentence's first token is predicted.
///
/// @param text its vocabulary entry
/// @param from where it comes from: the tokenizer's `BOS` or `EOS`, or the user
public record StartToken(int id, String text, String from) {
  /// The tokenizer's BOS, else its EOS.
  ///
  /// @throws IllegalArgumentException if it has neither
  public static StartToken of(Tokenizer tokenizer) {
    return of(tokenizer, Optional.empty());
  }

  /// The one that is asked for, else the tokenizer's BOS, else its EOS.
  ///
  /// @param wanted a vocabulary entry, or an id where no entry is spelled like it
  /// @throws IllegalArgumentException if the vocabulary has no such token, or nothing says which
  ///   one to take
  public static StartToken of(Tokenizer tokenizer, Optional<String> wanted) {
    if (wanted.isPresent()) {
      return named(tokenizer, wanted.get());
    }
    Specials specials = tokenizer.specials();
    if (specials.bos().isPresent()) {
      return at(tokenizer, specials.bos().getAsInt(), "BOS");
    }
    if (specials.eos().isPresent()) {
      return at(tokenizer, specials.eos().getAsInt(), "EOS");
    }
    throw new IllegalArgumentException(
        "This model's tokenizer has neither BOS nor EOS, from which a sentence's first token could"
            + " be predicted: name a token with --start-token.");
  }

  private static StartToken named(Tokenizer tokenizer, String wanted) {
    int id = tokenizer.id(wanted).orElseGet(() -> number(wanted));
    if (id < 0 || id >= tokenizer.size()) {
      throw new IllegalArgumentException(
          "The start token %s is neither an entry of this vocabulary nor an id below %d."
              .formatted(wanted, tokenizer.size()));
    }
    return at(tokenizer, id, "asked for");
  }

  private static int number(String text) {
    try {
      return Integer.parseInt(text);
    } catch (NumberFormatException e) {
      return -1;
    }
  }

  private static StartToken at(Tokenizer tokenizer, int id, String from) {
    return new StartToken(id, tokenizer.piece(id), from);
  }

  /// Such as `<s> (id 1, BOS)`.
  @Override
  public String toString() {
    return "%s (id %d, %s)".formatted(text, id, from);
  }
}
