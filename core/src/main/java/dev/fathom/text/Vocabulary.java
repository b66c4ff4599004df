package dev.fathom.text;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// A vocabulary as GGUF files carry it (the keys `tokenizer.ggml.*`), already read out of the file.
/// [Tokenizers#of(Vocabulary)] makes a tokenizer of it.
///
/// @param model `tokenizer.ggml.model`: `gpt2` (byte-level BPE), `llama` (SentencePiece BPE),
///   `bert`
/// @param pre `tokenizer.ggml.pre`, the pre-tokenizer of a `gpt2` vocabulary; empty if the file has
///   none
/// @param tokens pieces by id
/// @param scores by id, copied in and out; may be empty where the model needs none
/// @param types by id, copied in and out: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused,
///   6 byte; empty if the file has none
/// @param merges BPE merges `left right`, most urgent first; empty if the model needs none
/// @param addBos whether the BOS token goes first; empty: what the model and pre-tokenizer imply
/// @param addEos whether the EOS token goes last; empty: what the model implies
/// @param addSpacePrefix whether `llama` texts get a leading space; empty: yes
@SuppressWarnings("ArrayRecordComponent")
public record Vocabulary(
    String model,
    String pre,
    List<String> tokens,
    float[] scores,
    int[] types,
    List<String> merges,
    OptionalInt bos,
    OptionalInt eos,
    OptionalInt unk,
    OptionalInt pad,
    OptionalInt mask,
    OptionalInt cls,
    OptionalInt sep,
    Optional<Boolean> addBos,
    Optional<Boolean> addEos,
    Optional<Boolean> addSpacePrefix,
    Optional<String> chatTemplate) {

  static final int NORMAL = 1;
  static final int UNKNOWN = 2;
  static final int CONTROL = 3;
  static final int USER_DEFINED = 4;
  static final int UNUSED = 5;
  static final int BYTE = 6;

  public Vocabulary {
    tokens = List.copyOf(tokens);
    merges = List.copyOf(merges);
    scores = scores.clone();
    types = types.clone();
    requirePerToken("scores", scores.length, tokens.size());
    requirePerToken("types", types.length, tokens.size());
  }

  private static void requirePerToken(String what, int found, int tokens) {
    if (found != 0 && found != tokens) {
      throw new IllegalArgumentException(
          "a vocabulary of %d tokens needs as many %s (or none), but got %d"
              .formatted(tokens, what, found));
    }
  }

  /// The type of `id`; normal where the file says nothing.
  int type(int id) {
    return types.length == 0 ? NORMAL : types[id];
  }

  /// The score of `id`; 0 where the file says nothing.
  float score(int id) {
    return scores.length == 0 ? 0 : scores[id];
  }

  @Override
  public float[] scores() {
    return scores.clone();
  }

  @Override
  public int[] types() {
    return types.clone();
  }
}
