package dev.fathom.text;

import java.util.Optional;
import java.util.OptionalInt;

/// Text to token ids and back, whatever the vocabulary's file format. Implementations are picked by
/// [Tokenizers]; all are immutable and safe for use by many threads.
///
/// A *piece* is a raw vocabulary entry (`ĠParis`, `▁Paris`, `<0x0A>`); what it means to a reader is
/// [#display(int)]. Ids run from 0 to [#size()] - 1.
public interface Tokenizer {

  /// The number of ids, added tokens included. A model's embedding may have more rows (padding) or
  /// fewer; that is the model's business.
  int size();

  /// Tokenizes `text`. Unpaired surrogates count as U+FFFD, so every Java string has an encoding.
  ///
  /// @throws IllegalArgumentException if the text has more than four million chars and the
  ///   implementation is native (a tokenizer.json); split it first
  Encoding encode(String text, SpecialTokens special);

  /// Tokenizes `text` and adds the special tokens that the tokenizer's own files ask for.
  default Encoding encode(String text) {
    return encode(text, SpecialTokens.AS_CONFIGURED);
  }

  /// The text of `ids`, exactly as the reference implementation of the file format decodes it. Ids
  /// at or above [#size()] stand for no text; bytes that are not UTF-8 become U+FFFD.
  ///
  /// @param skipSpecial leave control tokens out of the text
  /// @throws IllegalArgumentException if an id is negative
  String decode(int[] ids, boolean skipSpecial);

  /// The raw vocabulary entry of `id`.
  ///
  /// @throws IllegalArgumentException if `id` is not a token of this tokenizer
  String piece(int id);

  /// The text that this one token stands for, for people: byte-level pieces decoded, `▁` as a
  /// space, bytes that are only part of a character as `\xE2\x82`. An id without a piece (a padding
  /// row of a model's embedding) is shown as `⟨id⟩`.
  ///
  /// @throws IllegalArgumentException if `id` is negative
  String display(int id);

  /// The id of exactly this vocabulary entry.
  OptionalInt id(String piece);

  /// Whether `id` is a control token: one that marks structure and stands for no text.
  boolean isSpecial(int id);

  /// The tokens with a role, and which of them [#encode(String)] adds.
  Specials specials();

  /// The Jinja text that turns a conversation into a prompt, if the files carry one.
  Optional<String> chatTemplate();
}
