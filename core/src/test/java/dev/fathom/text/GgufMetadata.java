package dev.fathom.text;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/// Just enough of GGUF to get a vocabulary out of a trusted file in a test.
final class GgufMetadata {
  private final ByteBuffer in;
  private final Map<String, Object> values = new HashMap<>();

  private GgufMetadata(ByteBuffer in) {
    this.in = in.order(ByteOrder.LITTLE_ENDIAN);
    in.position(16);
    for (long left = in.getLong(); left > 0; left--) {
      values.put(string(), value(in.getInt()));
    }
  }

  static Vocabulary vocabulary(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file)) {
      return new GgufMetadata(
              channel.map(FileChannel.MapMode.READ_ONLY, 0, Math.min(channel.size(), 1 << 30)))
          .vocabulary();
    }
  }

  private Vocabulary vocabulary() {
    List<?> types = list("token_type");
    List<?> scores = list("scores");
    float[] scoreArray = new float[scores.size()];
    for (int i = 0; i < scoreArray.length; i++) {
      scoreArray[i] = ((Number) scores.get(i)).floatValue();
    }
    return new Vocabulary(
        String.valueOf(values.get("tokenizer.ggml.model")),
        String.valueOf(values.getOrDefault("tokenizer.ggml.pre", "")),
        list("tokens").stream().map(String::valueOf).toList(),
        scoreArray,
        types.stream().mapToInt(type -> ((Number) type).intValue()).toArray(),
        list("merges").stream().map(String::valueOf).toList(),
        id("bos"),
        id("eos"),
        id("unknown"),
        id("padding"),
        id("mask"),
        id("cls"),
        id("seperator"),
        flag("add_bos_token"),
        flag("add_eos_token"),
        flag("add_space_prefix"),
        Optional.ofNullable((String) values.get("tokenizer.chat_template")));
  }

  private List<?> list(String key) {
    return (List<?>) values.getOrDefault("tokenizer.ggml." + key, List.of());
  }

  private OptionalInt id(String role) {
    Object id = values.get("tokenizer.ggml." + role + "_token_id");
    return id == null ? OptionalInt.empty() : OptionalInt.of(((Number) id).intValue());
  }

  private Optional<Boolean> flag(String key) {
    return Optional.ofNullable((Boolean) values.get("tokenizer.ggml." + key));
  }

  private String string() {
    byte[] bytes = new byte[(int) in.getLong()];
    in.get(bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private Object value(int type) {
    return switch (type) {
      case 0, 1 -> in.get();
      case 2, 3 -> in.getShort();
      case 4, 5 -> in.getInt();
      case 6 -> in.getFloat();
      case 7 -> in.get() != 0;
      case 8 -> string();
      case 9 -> {
        int element = in.getInt();
        long length = in.getLong();
        List<Object> elements = new ArrayList<>();
        for (long i = 0; i < length; i++) {
          elements.add(value(element));
        }
        yield elements;
      }
      case 10, 11 -> in.getLong();
      case 12 -> in.getDouble();
      default -> throw new IllegalArgumentException("value type " + type);
    };
  }
}
