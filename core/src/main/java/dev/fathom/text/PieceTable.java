package dev.fathom.text;

import dev.fathom.FathomException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// The pieces of a tokenizer.json by id and by text. Added tokens get their ids by the native
/// library's rule, whatever id the file gives them: the one in the vocabulary if they are there,
/// else the next free one.
final class PieceTable {
  private final @Nullable String[] pieces;
  private final Map<String, Integer> ids;
  private final BitSet added;
  private final BitSet special;

  private PieceTable(
      @Nullable String[] pieces, Map<String, Integer> ids, BitSet added, BitSet special) {
    this.pieces = pieces;
    this.ids = ids;
    this.added = added;
    this.special = special;
  }

  static PieceTable of(ObjectNode root) {
    Map<String, Integer> ids = vocabulary(root.path("model").path("vocab"));
    int inModel = ids.size();
    BitSet added = new BitSet();
    BitSet special = new BitSet();
    for (JsonNode token : root.path("added_tokens")) {
      String content = token.path("content").asString("");
      if (content.isEmpty()) {
        continue;
      }
      Integer known = ids.get(content);
      int id = known != null ? known : Math.max(inModel, added.length());
      requireId(id);
      ids.put(content, id);
      added.set(id);
      special.set(id, token.path("special").asBoolean(false));
    }
    int size = ids.values().stream().mapToInt(Integer::intValue).max().orElse(-1) + 1;
    @Nullable String[] pieces = new @Nullable String[size];
    ids.forEach((piece, id) -> pieces[id] = piece);
    return new PieceTable(pieces, ids, added, special);
  }

  /// A vocabulary is an object (piece to id) or, for unigram models, a list of [piece, score].
  private static Map<String, Integer> vocabulary(JsonNode vocab) {
    Map<String, Integer> ids = HashMap.newHashMap(vocab.size());
    if (vocab instanceof ObjectNode object) {
      object.forEachEntry(
          (piece, id) -> ids.put(piece, requireId(id.isInt() ? id.intValue() : -1)));
    } else if (vocab.isArray()) {
      int id = 0;
      for (JsonNode entry : vocab) {
        ids.put(entry.path(0).asString(""), requireId(id++));
      }
    } else {
      throw new FathomException("expected model.vocab as an object or a list, found neither");
    }
    return ids;
  }

  private static int requireId(int id) {
    if (id < 0 || id > TokenizerConfig.MAX_ID) {
      throw new FathomException(
          "expected ids from 0 to %d in model.vocab, found another"
              .formatted(TokenizerConfig.MAX_ID));
    }
    return id;
  }

  int size() {
    return pieces.length;
  }

  /// The piece of `id`, or null if there is none.
  @Nullable String piece(int id) {
    return id < 0 || id >= pieces.length ? null : pieces[id];
  }

  OptionalInt id(String piece) {
    Integer id = ids.get(piece);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  boolean isAdded(int id) {
    return id >= 0 && added.get(id);
  }

  boolean isSpecial(int id) {
    return id >= 0 && special.get(id);
  }

  /// The ids of all special tokens, in order.
  int[] specials() {
    return special.stream().toArray();
  }

  @Override
  public String toString() {
    return "PieceTable of " + pieces.length + Arrays.toString(specials());
  }
}
