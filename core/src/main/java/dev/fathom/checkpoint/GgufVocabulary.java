package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import dev.fathom.text.Vocabulary;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The vocabulary among the metadata of a GGUF file.
public final class GgufVocabulary {
  private static final String PREFIX = "tokenizer.ggml.";

  private final Map<String, GgufValue> metadata;

  private GgufVocabulary(Map<String, GgufValue> metadata) {
    this.metadata = metadata;
  }

  /// The vocabulary in `metadata`, such as [Checkpoint#tokenizerMetadata()]; empty if they have
  /// none.
  ///
  /// @throws FathomException if a value is not of the type that it should have
  public static Optional<Vocabulary> of(Map<String, GgufValue> metadata) {
    if (!metadata.containsKey(PREFIX + "tokens")) {
      return Optional.empty();
    }
    try {
      return Optional.of(new GgufVocabulary(metadata).vocabulary());
    } catch (IllegalArgumentException e) {
      throw new FathomException("the GGUF metadata: " + e.getMessage(), e);
    }
  }

  private Vocabulary vocabulary() {
    return new Vocabulary(
        text(PREFIX + "model").orElse(""),
        text(PREFIX + "pre").orElse(""),
        texts("tokens"),
        floats("scores"),
        ints("token_type"),
        texts("merges"),
        id("bos"),
        id("eos"),
        id("unknown"),
        id("padding"),
        id("mask"),
        id("cls"),
        id("seperator"), // as the format spells it
        flag("add_bos_token"),
        flag("add_eos_token"),
        flag("add_space_prefix"),
        text("tokenizer.chat_template"));
  }

  private Optional<String> text(String key) {
    return value(key, value -> value instanceof String text ? text : null, "a text");
  }

  private Optional<Boolean> flag(String name) {
    return value(PREFIX + name, value -> value instanceof Boolean flag ? flag : null, "a flag");
  }

  private OptionalInt id(String role) {
    String key = PREFIX + role + "_token_id";
    Optional<Long> id =
        value(key, value -> value instanceof Number number ? number.longValue() : null, "a token id");
    // Some files write 2^32 - 1 for "none".
    return id.isPresent() && id.get() >= 0 && id.get() <= Integer.MAX_VALUE
        ? OptionalInt.of(id.get().intValue())
        : OptionalInt.empty();
  }

  private List<String> texts(String name) {
    return value(
            PREFIX + name,
            value ->
                value instanceof List<?> list && list.stream().allMatch(String.class::isInstance)
                    ? list.stream().map(String.class::cast).toList()
                    : null,
            "a list of texts")
        .orElse(List.of());
  }

  private float[] floats(String name) {
    return value(
            PREFIX + name, value -> value instanceof float[] floats ? floats : null, "32-bit floats")
        .orElse(new float[0]);
  }

  private int[] ints(String name) {
    return value(
            PREFIX + name, value -> value instanceof int[] ints ? ints : null, "32-bit integers")
        .orElse(new int[0]);
  }

  private <T> Optional<T> value(
      String key, Function<Object, @Nullable T> as, String expected) {
    GgufValue value = metadata.get(key);
    if (value == null) {
      return Optional.empty();
    }
    T converted = as.apply(value.value());
    if (converted == null) {
      throw new FathomException("the metadata %s should be %s".formatted(key, expected));
    }
    return Optional.of(converted);
  }
}
