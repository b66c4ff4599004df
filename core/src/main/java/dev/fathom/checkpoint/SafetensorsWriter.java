package dev.fathom.checkpoint;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/// Starts safetensors files.
public final class SafetensorsWriter {
  private static final JsonFactory JSON = new JsonFactory();

  private SafetensorsWriter() {}

  /// Starts a file with these tensors and this `__metadata__` (left out when empty).
  ///
  /// Tensors with wider elements come first, otherwise in the given order, so that every tensor is
  /// aligned to its elements and can be used where it is mapped.
  ///
  /// @throws IllegalArgumentException if two tensors have the same name or a type is one that
  ///   safetensors does not have
  /// @throws dev.fathom.FathomException if the file cannot be written
  public static WeightWriter create(
      Path path, List<TensorSpec> tensors, Map<String, String> metadata) {
    var ordered = new ArrayList<>(tensors);
    ordered.sort(Comparator.comparingInt(spec -> -spec.type().blockBytes()));
    var output = new ByteArrayOutputStream();
    var relative = new LinkedHashMap<String, TensorInfo>();
    try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), output)) {
      json.writeStartObject();
      if (!metadata.isEmpty()) {
        json.writeName(SafetensorsFile.METADATA_KEY);
        json.writeStartObject();
        new TreeMap<>(metadata).forEach(json::writeStringProperty);
        json.writeEndObject();
      }
      long offset = 0;
      for (TensorSpec spec : ordered) {
        TensorInfo info = info(spec, offset);
        if (relative.put(spec.name(), info) != null
            || spec.name().equals(SafetensorsFile.METADATA_KEY)) {
          throw new IllegalArgumentException(
              "the tensor name '%s' is taken".formatted(spec.name()));
        }
        writeEntry(json, info);
        offset += info.bytes();
      }
      json.writeEndObject();
    }
    byte[] header = padded(output.toByteArray());
    relative.replaceAll((name, info) -> moved(info, header.length));
    return WeightWriter.start(path, header, relative);
  }

  private static TensorInfo info(TensorSpec spec, long offset) {
    TensorType type = spec.type();
    if (SafetensorsFile.typeOf(type.name()) != type) {
      throw new IllegalArgumentException(
          "tensor '%s': safetensors has no type %s; use F32, F16 or BF16"
              .formatted(spec.name(), type));
    }
    return new TensorInfo(spec.name(), type, spec.shape(), offset, spec.bytes());
  }

  private static TensorInfo moved(TensorInfo info, long by) {
    return new TensorInfo(info.name(), info.type(), info.shape(), info.offset() + by, info.bytes());
  }

  private static void writeEntry(JsonGenerator json, TensorInfo info) {
    json.writeName(info.name());
    json.writeStartObject();
    json.writeStringProperty("dtype", info.type().name());
    json.writeName("shape");
    json.writeStartArray();
    info.shape().forEach(json::writeNumber);
    json.writeEndArray();
    json.writeName("data_offsets");
    json.writeStartArray();
    json.writeNumber(info.offset());
    json.writeNumber(info.offset() + info.bytes());
    json.writeEndArray();
    json.writeEndObject();
  }

  /// The length, the JSON, and spaces up to a multiple of 8.
  private static byte[] padded(byte[] json) {
    int length = (json.length + 7) / 8 * 8;
    if (length > SafetensorsFile.LONGEST_HEADER) {
      throw new IllegalArgumentException(
          "a safetensors header cannot exceed 100 MB; write fewer tensors");
    }
    ByteBuffer header = ByteBuffer.allocate(8 + length).order(ByteOrder.LITTLE_ENDIAN);
    header.putLong(length).put(json);
    while (header.hasRemaining()) {
      header.put((byte) ' ');
    }
    return header.array();
  }
}
