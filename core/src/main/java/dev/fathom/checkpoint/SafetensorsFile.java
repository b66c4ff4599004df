package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;

/// A mapped safetensors file (the format is described on this package's page).
///
/// Refused, as by the reference implementation: a header above 100 MB, a header that is not one
/// JSON object, duplicate names, sizes that disagree with shape and type, tensors that overlap, and
/// bytes that belong to no tensor.
public final class SafetensorsFile implements WeightFile {
  static final String METADATA_KEY = "__metadata__";
  static final int LONGEST_HEADER = 100_000_000;
  private static final int MOST_TENSORS = 1 << 20;
  private static final int MOST_DIMENSIONS = 32;
  private static final ValueLayout.OfLong LENGTH =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final JsonFactory JSON =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(8)
                  .maxNumberLength(40)
                  .maxNameLength(10_000)
                  .maxStringLength(LONGEST_HEADER)
                  .build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .build();

  private final MappedFile file;
  private final Map<String, TensorInfo> tensors;
  private final Map<String, Object> metadata;

  private SafetensorsFile(
      MappedFile file, Map<String, TensorInfo> tensors, Map<String, Object> metadata) {
    this.file = file;
    this.tensors = Collections.unmodifiableMap(tensors);
    this.metadata = Collections.unmodifiableMap(metadata);
  }

  /// Maps `path` and checks its header.
  ///
  /// @throws FathomException if the file cannot be read or is not a sound safetensors file
  public static SafetensorsFile open(Path path) {
    MappedFile file = MappedFile.open(path);
    try {
      Header header = parse(file.bytes(), file.label());
      return new SafetensorsFile(file, header.tensors, header.metadata);
    } catch (Throwable e) {
      file.close();
      throw e;
    }
  }

  @Override
  public Path path() {
    return file.path();
  }

  @Override
  public Map<String, TensorInfo> tensors() {
    return tensors;
  }

  @Override
  public Map<String, Object> metadata() {
    return metadata;
  }

  @Override
  public MemorySegment bytes(String name) {
    return file.slice(tensor(name));
  }

  @Override
  public void close() {
    file.close();
  }

  record Header(Map<String, TensorInfo> tensors, Map<String, Object> metadata) {}

  /// Reads and checks the header of a whole file that lies in memory.
  static Header parse(MemorySegment file, String label) {
    long size = file.byteSize();
    if (size < 8) {
      throw MappedFile.malformed(
          label,
          "a safetensors file starts with 8 bytes of header length, found %d bytes"
              .formatted(size));
    }
    long length = file.get(LENGTH, 0);
    if (length < 2 || length > LONGEST_HEADER || length > size - 8) {
      throw MappedFile.malformed(
          label,
          "not a safetensors file: its header claims %s bytes, the file has %d and the limit is %d"
              .formatted(Long.toUnsignedString(length), size, LONGEST_HEADER));
    }
    byte[] json = file.asSlice(8, length).toArray(ValueLayout.JAVA_BYTE);
    if (json[0] != '{') {
      throw MappedFile.malformed(
          label, "not a safetensors file: its header does not start with '{'");
    }
    Header header;
    try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), json)) {
      header = new HeaderReader(label, parser, 8 + length).read();
    } catch (JacksonException e) {
      throw new FathomException(
          "%s: the safetensors header is not valid JSON: %s"
              .formatted(label, e.getOriginalMessage()),
          e);
    }
    checkLayout(header.tensors, 8 + length, size, label);
    return header;
  }

  /// Every byte after the header belongs to exactly one tensor.
  private static void checkLayout(
      Map<String, TensorInfo> tensors, long dataStart, long fileSize, String label) {
    var inOrder = new ArrayList<>(tensors.values());
    inOrder.sort(Comparator.comparingLong(TensorInfo::offset).thenComparingLong(TensorInfo::bytes));
    long end = dataStart;
    for (TensorInfo info : inOrder) {
      if (info.offset() != end) {
        throw MappedFile.malformed(
            label,
            "tensor '%s' starts at byte %d, %s"
                .formatted(
                    info.name(),
                    info.offset(),
                    info.offset() < end
                        ? "inside the tensor before it, which ends at " + end
                        : "leaving a gap after the tensor before it, which ends at " + end));
      }
      end = info.offset() + info.bytes();
    }
    if (end != fileSize) {
      throw MappedFile.malformed(
          label,
          end > fileSize
              ? "its tensors need %d bytes, the file has %d".formatted(end, fileSize)
              : "%d bytes at its end belong to no tensor".formatted(fileSize - end));
    }
  }

  static @Nullable TensorType typeOf(String spelling) {
    return switch (spelling) {
      case "F64" -> TensorType.F64;
      case "F32" -> TensorType.F32;
      case "F16" -> TensorType.F16;
      case "BF16" -> TensorType.BF16;
      case "I64" -> TensorType.I64;
      case "I32" -> TensorType.I32;
      case "I16" -> TensorType.I16;
      case "I8" -> TensorType.I8;
      case "U8" -> TensorType.U8;
      case "BOOL" -> TensorType.BOOL;
      default -> null;
    };
  }

  /// The JSON of a header, token by token: no tree, so that a hostile header costs no more than its
  /// bytes.
  private static final class HeaderReader {
    private final String label;
    private final JsonParser parser;
    private final long dataStart;
    private final Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    private final Map<String, Object> metadata = new LinkedHashMap<>();

    HeaderReader(String label, JsonParser parser, long dataStart) {
      this.label = label;
      this.parser = parser;
      this.dataStart = dataStart;
    }

    Header read() {
      expect(JsonToken.START_OBJECT, "the header");
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String name = nameOfProperty();
        if (name.equals(METADATA_KEY)) {
          readMetadata();
        } else {
          tensors.put(name, readTensor(name));
          if (tensors.size() > MOST_TENSORS) {
            throw MappedFile.malformed(label, "more than %d tensors".formatted(MOST_TENSORS));
          }
        }
      }
      if (parser.nextToken() != null) {
        throw MappedFile.malformed(label, "something follows the JSON object in the header");
      }
      return new Header(tensors, metadata);
    }

    private void readMetadata() {
      expect(JsonToken.START_OBJECT, METADATA_KEY);
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String key = nameOfProperty();
        expect(JsonToken.VALUE_STRING, METADATA_KEY + " entry '" + key + "'");
        metadata.put(key, parser.getString());
      }
    }

    private TensorInfo readTensor(String name) {
      String what = "tensor '" + name + "'";
      expect(JsonToken.START_OBJECT, what);
      TensorType type = null;
      List<Long> shape = null;
      List<Long> offsets = null;
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String key = nameOfProperty();
        switch (key) {
          case "dtype" -> {
            expect(JsonToken.VALUE_STRING, what);
            String spelling = parser.getString();
            type = typeOf(spelling);
            if (type == null) {
              throw new FathomException(
                  "%s: %s has the type %s, which is not supported; convert it to F32, F16 or BF16"
                      .formatted(label, what, spelling));
            }
          }
          case "shape" -> shape = readLongs(what, MOST_DIMENSIONS);
          case "data_offsets" -> offsets = readLongs(what, 2);
          default ->
              throw MappedFile.malformed(
                  label, "%s has the unknown attribute '%s'".formatted(what, key));
        }
      }
      if (type == null || shape == null || offsets == null || offsets.size() != 2) {
        throw MappedFile.malformed(label, what + " lacks dtype, shape or its two data_offsets");
      }
      return checked(name, type, shape, offsets.get(0), offsets.get(1));
    }

    private TensorInfo checked(
        String name, TensorType type, List<Long> shape, long begin, long end) {
      long bytes;
      long offset;
      try {
        offset = Math.addExact(dataStart, begin);
        Math.addExact(dataStart, end);
        bytes = type.bytesFor(new TensorInfo(name, type, shape, 0, 0).elements());
      } catch (ArithmeticException e) {
        throw MappedFile.malformed(
            label, "tensor '%s' has the absurd shape %s or offset".formatted(name, shape));
      }
      if (end - begin != bytes) {
        throw MappedFile.malformed(
            label,
            "tensor '%s' of shape %s and type %s needs %d bytes, its offsets [%d, %d] give %d"
                .formatted(name, shape, type, bytes, begin, end, end - begin));
      }
      return new TensorInfo(name, type, shape, offset, bytes);
    }

    private List<Long> readLongs(String what, int most) {
      expect(JsonToken.START_ARRAY, what);
      var values = new ArrayList<Long>();
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT
            || parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER
            || parser.getLongValue() < 0
            || values.size() == most) {
          throw MappedFile.malformed(
              label, "%s: expected at most %d whole numbers >= 0".formatted(what, most));
        }
        values.add(parser.getLongValue());
      }
      return values;
    }

    private String nameOfProperty() {
      if (parser.currentToken() != JsonToken.PROPERTY_NAME) {
        throw MappedFile.malformed(label, "the header ends in the middle");
      }
      return parser.currentName();
    }

    private void expect(JsonToken token, String what) {
      JsonToken found = parser.nextToken();
      if (found != token) {
        throw MappedFile.malformed(
            label,
            "%s: expected %s in the header, found %s"
                .formatted(what, describe(token), describe(found)));
      }
    }

    private static String describe(@Nullable JsonToken token) {
      return switch (token) {
        case START_OBJECT -> "an object";
        case START_ARRAY -> "an array";
        case VALUE_STRING -> "a string";
        case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> "a number";
        case null -> "its end";
        default -> "something else";
      };
    }
  }
}
