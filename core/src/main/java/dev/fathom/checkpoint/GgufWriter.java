package dev.fathom.checkpoint;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Starts GGUF files (version 3, little-endian).
public final class GgufWriter {
  private GgufWriter() {}

  /// Starts a file with these tensors, in this order, and this metadata.
  ///
  /// @throws IllegalArgumentException if two tensors have the same name, a tensor has more than
  ///   four dimensions, or a type is one that GGUF does not have
  /// @throws dev.fathom.FathomException if the file cannot be written
  public static WeightWriter create(
      Path path, List<TensorSpec> tensors, Map<String, GgufValue> metadata) {
    int alignment =
        metadata.containsKey(GgufFile.ALIGNMENT_KEY)
            ? Math.toIntExact(GgufValue.bits(metadata.get(GgufFile.ALIGNMENT_KEY).value()))
            : GgufFile.DEFAULT_ALIGNMENT;
    var header = new Output();
    header.putInt(GgufFile.MAGIC);
    header.putInt(3);
    header.putLong(tensors.size());
    header.putLong(metadata.size());
    metadata.forEach((key, value) -> {
      header.putString(key);
      header.putInt(value.type().ordinal());
      header.putValue(value);
    });
    var relative = new LinkedHashMap<String, TensorInfo>();
    long offset = 0;
    for (TensorSpec spec : tensors) {
      var info = new TensorInfo(spec.name(), spec.type(), spec.shape(), offset, spec.bytes());
      if (relative.put(spec.name(), info) != null) {
        throw new IllegalArgumentException("the tensor name '%s' is taken".formatted(spec.name()));
      }
      header.putTensor(info);
      offset = (offset + info.bytes() + alignment - 1) / alignment * alignment;
    }
    header.pad(alignment);
    byte[] bytes = header.toByteArray();
    relative.replaceAll((name, i) ->
        new TensorInfo(name, i.type(), i.shape(), i.offset() + bytes.length, i.bytes()));
    return WeightWriter.start(path, bytes, relative);
  }

  private static int codeOf(TensorType type) {
    for (int code = 0; code < 64; code++) {
      if (GgufFile.typeOf(code) == type) {
        return code;
      }
    }
    throw new IllegalArgumentException("GGUF has no type " + type);
  }

  /// Little-endian primitives, appended.
  private static final class Output extends ByteArrayOutputStream {
    void putInt(int value) {
      for (int shift = 0; shift < 32; shift += 8) {
        write(value >>> shift);
      }
    }

    void putLong(long value) {
      putInt((int) value);
      putInt((int) (value >>> 32));
    }

    void putString(String text) {
      byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
      putLong(utf8.length);
      writeBytes(utf8);
    }

    void putValue(GgufValue value) {
      if (value.type() == GgufValue.Type.ARRAY) {
        putInt(value.elements().ordinal());
        putArray(value.elements(), value.value());
      } else {
        putScalar(value.type(), value.value());
      }
    }

    private void putArray(GgufValue.Type elements, Object array) {
      switch (array) {
        case int[] ints -> {
          putLong(ints.length);
          for (int value : ints) {
            putInt(value);
          }
        }
        case float[] floats -> {
          putLong(floats.length);
          for (float value : floats) {
            putInt(Float.floatToRawIntBits(value));
          }
        }
        case List<?> list when elements != GgufValue.Type.ARRAY -> {
          putLong(list.size());
          list.forEach(value -> putScalar(elements, value));
        }
        default ->
            throw new IllegalArgumentException(
                "cannot write an array of " + elements + " from " + array);
      }
    }

    private void putScalar(GgufValue.Type type, Object value) {
      switch (type) {
        case UINT8, INT8 -> write((int) GgufValue.bits(value));
        case UINT16, INT16 -> {
          int bits = (int) GgufValue.bits(value);
          write(bits);
          write(bits >>> 8);
        }
        case UINT32, INT32 -> putInt((int) GgufValue.bits(value));
        case UINT64, INT64 -> putLong(GgufValue.bits(value));
        case FLOAT32 -> putInt(Float.floatToRawIntBits(((Number) value).floatValue()));
        case FLOAT64 -> putLong(Double.doubleToRawLongBits(((Number) value).doubleValue()));
        case BOOL -> write((Boolean) value ? 1 : 0);
        case STRING -> putString((String) value);
        case ARRAY -> throw new IllegalArgumentException("arrays of arrays cannot be written");
      }
    }

    void putTensor(TensorInfo info) {
      if (info.shape().size() > 4) {
        throw new IllegalArgumentException(
            "tensor '%s' has %d dimensions, GGUF allows 4"
                .formatted(info.name(), info.shape().size()));
      }
      putString(info.name());
      putInt(info.shape().size());
      info.shape().reversed().forEach(this::putLong);
      putInt(codeOf(info.type()));
      putLong(info.offset());
    }

    void pad(int alignment) {
      while (size() % alignment != 0) {
        write(0);
      }
    }
  }
}
