package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import dev.fathom.text.Vocabulary;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/// A vocabulary as the metadata of a GGUF file spell it, read and written.
public final class GgufVocabulary {
  private static final String PREFIX = "tokenizer.ggml.";
  private static final String TEMPLATE = "tokenizer.chat_template";

  private GgufVocabulary() {}

  /// The vocabulary in these metadata; empty if they name no tokenizer.
  ///
  /// @throws FathomException if an entry is missing or of the wrong kind
  public static Optional<Vocabulary> read(Map<String, GgufValue> metadata) {
    GgufValue model = metadata.get(PREFIX + "model");
    if (model == null) {
      return Optional.empty();
    }
    var reader = new Reader(metadata);
    List<String> tokens = reader.strings("tokens");
    float[] scores = reader.floats("scores");
    int[] types = reader.ints("token_type");
    reader.sameLength("scores", scores.length, tokens.size());
    reader.sameLength("token_type", types.length, tokens.size());
    return Optional.of(
        new Vocabulary(
            reader.text("model").orElse(""),
            reader.text("pre").orElse(""),
            tokens,
            scores,
            types,
            reader.strings("merges"),
            reader.id("bos_token_id"),
            reader.id("eos_token_id"),
            reader.id("unknown_token_id"),
            reader.id("padding_token_id"),
            reader.id("mask_token_id"),
            reader.id("cls_token_id"),
            reader.id("seperator_token_id"), // the format's own spelling
            reader.flag("add_bos_token"),
            reader.flag("add_eos_token"),
            reader.flag("add_space_prefix"),
            metadata.get(TEMPLATE) instanceof GgufValue(var _, var _, String template)
                ? Optional.of(template)
                : Optional.empty()));
  }

  /// The metadata that stand for a vocabulary.
  public static Map<String, GgufValue> write(Vocabulary vocabulary) {
    var metadata = new LinkedHashMap<String, GgufValue>();
    metadata.put(PREFIX + "model", GgufValue.string(vocabulary.model()));
    if (!vocabulary.pre().isEmpty()) {
      metadata.put(PREFIX + "pre", GgufValue.string(vocabulary.pre()));
    }
    metadata.put(PREFIX + "tokens", GgufValue.strings(vocabulary.tokens()));
    if (vocabulary.scores().length > 0) {
      metadata.put(PREFIX + "scores", GgufValue.floats(vocabulary.scores()));
    }
    if (vocabulary.types().length > 0) {
      metadata.put(PREFIX + "token_type", GgufValue.ints(vocabulary.types()));
    }
    if (!vocabulary.merges().isEmpty()) {
      metadata.put(PREFIX + "merges", GgufValue.strings(vocabulary.merges()));
    }
    putId(metadata, "bos_token_id", vocabulary.bos());
    putId(metadata, "eos_token_id", vocabulary.eos());
    putId(metadata, "unknown_token_id", vocabulary.unk());
    putId(metadata, "padding_token_id", vocabulary.pad());
    putId(metadata, "mask_token_id", vocabulary.mask());
    putId(metadata, "cls_token_id", vocabulary.cls());
    putId(metadata, "seperator_token_id", vocabulary.sep());
    putFlag(metadata, "add_bos_token", vocabulary.addBos());
    putFlag(metadata, "add_eos_token", vocabulary.addEos());
    putFlag(metadata, "add_space_prefix", vocabulary.addSpacePrefix());
    vocabulary.chatTemplate().ifPresent(text -> metadata.put(TEMPLATE, GgufValue.string(text)));
    return metadata;
  }

  private static void putId(Map<String, GgufValue> metadata, String key, OptionalInt id) {
    id.ifPresent(value -> metadata.put(PREFIX + key, GgufValue.uint32(value)));
  }

  private static void putFlag(Map<String, GgufValue> metadata, String key, Optional<Boolean> flag) {
    flag.ifPresent(value -> metadata.put(PREFIX + key, GgufValue.bool(value)));
  }

  private record Reader(Map<String, GgufValue> metadata) {
    private @Nullable Object value(String key) {
      GgufValue value = metadata.get(PREFIX + key);
      return value == null ? null : value.value();
    }

    Optional<String> text(String key) {
      return switch (value(key)) {
        case null -> Optional.empty();
        case String text -> Optional.of(text);
        default -> throw wrong(key, "text");
      };
    }

    Optional<Boolean> flag(String key) {
      return switch (value(key)) {
        case null -> Optional.empty();
        case Boolean flag -> Optional.of(flag);
        default -> throw wrong(key, "true or false");
      };
    }

    /// A token's number; what no int can hold stands for none, as 2³²−1 does in older files.
    OptionalInt id(String key) {
      return switch (value(key)) {
        case null -> OptionalInt.empty();
        case Long id ->
            id >= 0 && id < Integer.MAX_VALUE ? OptionalInt.of(id.intValue()) : OptionalInt.empty();
        default -> throw wrong(key, "a token's number");
      };
    }

    List<String> strings(String key) {
      return switch (value(key)) {
        case null -> List.of();
        case List<?> list -> list.stream().map(item -> string(key, item)).toList();
        default -> throw wrong(key, "a list of texts");
      };
    }

    private static String string(String key, @Nullable Object item) {
      if (item instanceof String text) {
        return text;
      }
      throw wrong(key, "a list of texts");
    }

    float[] floats(String key) {
      return switch (value(key)) {
        case null -> new float[0];
        case float[] floats -> floats;
        default -> throw wrong(key, "a list of 32-bit floats");
      };
    }

    int[] ints(String key) {
      return switch (value(key)) {
        case null -> new int[0];
        case int[] ints -> ints;
        case List<?> list -> list.stream().mapToInt(item -> number(key, item)).toArray();
        default -> throw wrong(key, "a list of whole numbers");
      };
    }

    private static int number(String key, @Nullable Object item) {
      if (item instanceof Long number && number == number.intValue()) {
        return number.intValue();
      }
      throw wrong(key, "a list of whole numbers");
    }

    void sameLength(String key, int found, int tokens) {
      if (found != 0 && found != tokens) {
        throw new FathomException(
            "%s%s has %d entries for %d tokens".formatted(PREFIX, key, found, tokens));
      }
    }

    private static FathomException wrong(String key, String expected) {
      return new FathomException("%s%s: expected %s".formatted(PREFIX, key, expected));
    }
  }
}
