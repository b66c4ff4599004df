package dev.fathom.text;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// Which token has which role. The files beside a tokenizer.json decide; where they are silent,
/// config.json's ids do; where there are no such files at all, the customary names do.
final class SpecialRoles {
  private static final String END_OF_TEXT = "<|endoftext|>";

  private static final Map<Role, List<String>> CUSTOMARY =
      Map.of(
          Role.BOS, List.of("<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "[BOS]"),
          Role.EOS, List.of("</s>", "<eos>", "<|end_of_text|>", END_OF_TEXT, "[EOS]"),
          Role.UNK, List.of("<unk>", "[UNK]"),
          Role.PAD, List.of("<pad>", "[PAD]"),
          Role.MASK, List.of("<mask>", "[MASK]"),
          Role.CLS, List.of("[CLS]"),
          Role.SEP, List.of("[SEP]"));

  private SpecialRoles() {}

  static Map<Role, Integer> of(ObjectNode root, PieceTable table, TokenizerConfig config) {
    Map<Role, Integer> ids = new EnumMap<>(Role.class);
    for (Role role : Role.values()) {
      Optional<String> named = config.roles().get(role);
      Integer number = config.ids().get(role);
      OptionalInt id;
      if (named != null) {
        id = named.map(table::id).orElse(OptionalInt.empty());
      } else if (number != null && table.piece(number) != null) {
        id = OptionalInt.of(number);
      } else if (config.present()) {
        id = OptionalInt.empty();
      } else {
        id = customary(role, table);
      }
      id.ifPresent(found -> ids.put(role, found));
    }
    if (!config.roles().containsKey(Role.UNK)) {
      unknownOf(root.path("model"), table).ifPresent(id -> ids.putIfAbsent(Role.UNK, id));
    }
    return ids;
  }

  /// The first customary name among the special tokens. GPT-2's one special token is all of them.
  private static OptionalInt customary(Role role, PieceTable table) {
    for (String name : CUSTOMARY.getOrDefault(role, List.of())) {
      OptionalInt id = table.id(name);
      if (id.isPresent() && table.isSpecial(id.getAsInt())) {
        return id;
      }
    }
    OptionalInt end = table.id(END_OF_TEXT);
    boolean only = end.isPresent() && table.specials().length == 1;
    return only && role == Role.BOS ? end : OptionalInt.empty();
  }

  /// The unknown token of the model itself, by text or (unigram) by id.
  private static OptionalInt unknownOf(JsonNode model, PieceTable table) {
    JsonNode id = model.path("unk_id");
    if (id.isInt() && table.piece(id.intValue()) != null) {
      return OptionalInt.of(id.intValue());
    }
    JsonNode token = model.path("unk_token");
    return token.isString() ? table.id(token.stringValue()) : OptionalInt.empty();
  }

  static Specials specials(Map<Role, Integer> ids, boolean addsBos, boolean addsEos) {
    return new Specials(
        optional(ids.get(Role.BOS)),
        optional(ids.get(Role.EOS)),
        optional(ids.get(Role.UNK)),
        optional(ids.get(Role.PAD)),
        optional(ids.get(Role.MASK)),
        optional(ids.get(Role.CLS)),
        optional(ids.get(Role.SEP)),
        addsBos,
        addsEos);
  }

  private static OptionalInt optional(@Nullable Integer id) {
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }
}
