package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A mapped GGUF file, version 2 or 3, little-endian (the format is described on this package's
/// page).
///
/// Names and shapes are GGUF's, except that shapes are turned round to run outermost first; what
/// they mean in Hugging Face terms is [Checkpoint]'s business. Refused: counts and lengths that the
/// file is too short for, duplicate keys and names, text that is not UTF-8, tensors that overlap or
/// leave more than alignment between them.
public final class GgufFile implements WeightFile {
  static final int MAGIC = 0x46554747; // "GGUF", little-endian
  static final int DEFAULT_ALIGNMENT = 32;
  static final String ALIGNMENT_KEY = "general.alignment";

  private static final int MOST_DIMENSIONS = 4;
  private static final int LONGEST_KEY = 65_535;
  private static final int DEEPEST_ARRAY = 4;

  /// Values in the metadata, arrays counted by element: a vocabulary of a million tokens with its
  /// scores, types and merges is four million.
  private static final int MOST_VALUES = 1 << 23;

  private final MappedFile file;
  private final Map<String, GgufValue> fields;
  private final Map<String, Object> metadata;
  private final Map<String, TensorInfo> tensors;

  private GgufFile(MappedFile file, Header header) {
    this.file = file;
    this.fields = Collections.unmodifiableMap(header.fields);
    this.tensors = Collections.unmodifiableMap(header.tensors);
    var plain = new LinkedHashMap<String, Object>();
    header.fields.forEach((key, value) -> plain.put(key, value.value()));
    this.metadata = Collections.unmodifiableMap(plain);
  }

  /// Maps `path` and checks its header.
  ///
  /// @throws FathomException if the file cannot be read or is not a sound GGUF file
  public static GgufFile open(Path path) {
    MappedFile file = MappedFile.open(path);
    try {
      return new GgufFile(file, parse(file.bytes(), file.label()));
    } catch (Throwable e) {
      file.close();
      throw e;
    }
  }

  /// Whether the first bytes of a file are GGUF's; false if it cannot be read.
  public static boolean looksLike(Path path) {
    try (InputStream in = Files.newInputStream(path)) {
      return Arrays.equals(in.readNBytes(4), new byte[] {'G', 'G', 'U', 'F'});
    } catch (IOException e) {
      return false;
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

  /// The metadata with the types it has in the file.
  public Map<String, GgufValue> fields() {
    return fields;
  }

  @Override
  public MemorySegment bytes(String name) {
    return file.slice(tensor(name));
  }

  @Override
  public void close() {
    file.close();
  }

  record Header(Map<String, GgufValue> fields, Map<String, TensorInfo> tensors) {}

  /// Reads and checks the header of a whole file that lies in memory.
  static Header parse(MemorySegment file, String label) {
    return new HeaderReader(file, label).read();
  }

  /// The type with ggml's number, null for numbers that are unused, unknown or not supported.
  static @Nullable TensorType typeOf(int code) {
    return switch (code) {
      case 0 -> TensorType.F32;
      case 1 -> TensorType.F16;
      case 2 -> TensorType.Q4_0;
      case 3 -> TensorType.Q4_1;
      case 6 -> TensorType.Q5_0;
      case 7 -> TensorType.Q5_1;
      case 8 -> TensorType.Q8_0;
      case 10 -> TensorType.Q2_K;
      case 11 -> TensorType.Q3_K;
      case 12 -> TensorType.Q4_K;
      case 13 -> TensorType.Q5_K;
      case 14 -> TensorType.Q6_K;
      case 20 -> TensorType.IQ4_NL;
      case 23 -> TensorType.IQ4_XS;
      case 24 -> TensorType.I8;
      case 25 -> TensorType.I16;
      case 26 -> TensorType.I32;
      case 27 -> TensorType.I64;
      case 28 -> TensorType.F64;
      case 30 -> TensorType.BF16;
      default -> null;
    };
  }

  /// The names of ggml's other types, so that they can be refused by name.
  private static String nameOf(int code) {
    return switch (code) {
      case 9 -> "Q8_1";
      case 15 -> "Q8_K";
      case 16 -> "IQ2_XXS";
      case 17 -> "IQ2_XS";
      case 18 -> "IQ3_XXS";
      case 19 -> "IQ1_S";
      case 21 -> "IQ3_S";
      case 22 -> "IQ2_S";
      case 29 -> "IQ1_M";
      case 34 -> "TQ1_0";
      case 35 -> "TQ2_0";
      case 39 -> "MXFP4";
      default -> "number " + Integer.toUnsignedString(code);
    };
  }

  /// Reads forward through the mapped bytes; every length is checked against what is left before
  /// use.
  private static final class HeaderReader {
    private static final VarHandle SHORT_AT =
        MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INT_AT =
        MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONG_AT =
        MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INTS =
        ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOATS =
        ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Bytes copied from the file at a time: a vocabulary is a hundred thousand short strings.
    private static final int WINDOW = 1 << 16;

    private static final GgufValue.Type[] TYPES = GgufValue.Type.values();

    private final MemorySegment file;
    private final String label;
    private final Map<String, GgufValue> fields = new LinkedHashMap<>();
    private final Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    private final byte[] window;
    private long windowStart;
    private int windowLength;
    private long position;
    private int values;

    HeaderReader(MemorySegment file, String label) {
      this.file = file;
      this.label = label;
      this.window = new byte[(int) Math.min(WINDOW, file.byteSize())];
    }

    Header read() {
      if (file.byteSize() < 24 || nextInt("magic") != MAGIC) {
        throw MappedFile.malformed(
            label, "not a GGUF file: it does not start with 'GGUF' and two counts");
      }
      int version = nextInt("version");
      if (version != 2 && version != 3) {
        throw new FathomException(
            Integer.reverseBytes(version) == 2 || Integer.reverseBytes(version) == 3
                ? label + ": this GGUF file is big-endian, which is not supported; convert it first"
                : "%s: GGUF version %s is not supported, expected 2 or 3"
                    .formatted(label, Integer.toUnsignedString(version)));
      }
      long tensorCount = count("tensors", 8 + 4 + 8 + 4 + 8);
      long fieldCount = count("metadata entries", 8 + 4 + 1);
      for (long i = 0; i < fieldCount; i++) {
        String key = nextString("the key of metadata entry " + i, LONGEST_KEY);
        if (fields.put(key, nextValue(key)) != null) {
          throw MappedFile.malformed(label, "the metadata key '%s' appears twice".formatted(key));
        }
      }
      int alignment = alignment();
      for (long i = 0; i < tensorCount; i++) {
        TensorInfo info = nextTensor(i);
        if (tensors.put(info.name(), info) != null) {
          throw MappedFile.malformed(label, "the tensor '%s' appears twice".formatted(info.name()));
        }
      }
      long dataStart = aligned(position, alignment);
      tensors.replaceAll((name, info) -> shifted(info, dataStart, alignment));
      checkLayout(dataStart, alignment);
      return new Header(fields, tensors);
    }

    private int alignment() {
      GgufValue value = fields.get(ALIGNMENT_KEY);
      if (value == null) {
        return DEFAULT_ALIGNMENT;
      }
      if (value.value() instanceof Long number
          && number >= 1
          && number <= 1 << 20
          && Long.bitCount(number) == 1) {
        return number.intValue();
      }
      throw MappedFile.malformed(
          label, "%s is %s, expected a power of two".formatted(ALIGNMENT_KEY, value.value()));
    }

    private static long aligned(long offset, int alignment) {
      return (offset + alignment - 1) & -(long) alignment;
    }

    private TensorInfo nextTensor(long index) {
      String name = nextString("the name of tensor " + index, LONGEST_KEY);
      String what = "tensor '" + name + "'";
      int dimensions = nextInt(what);
      if (dimensions < 0 || dimensions > MOST_DIMENSIONS) {
        throw MappedFile.malformed(
            label,
            "%s has %s dimensions, at most %d are allowed"
                .formatted(what, Integer.toUnsignedString(dimensions), MOST_DIMENSIONS));
      }
      var shape = new ArrayList<Long>();
      for (int i = 0; i < dimensions; i++) {
        long size = nextLong(what);
        if (size < 0) {
          throw MappedFile.malformed(label, what + " has an absurd dimension");
        }
        shape.addFirst(size);
      }
      int code = nextInt(what);
      TensorType type = typeOf(code);
      if (type == null) {
        throw new FathomException(
            "%s: %s has the type %s, which is not supported; supported are F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL and IQ4_XS"
                .formatted(label, what, nameOf(code)));
      }
      long offset = nextLong(what);
      var info = new TensorInfo(name, type, shape, offset, 0);
      try {
        if (info.rowElements() % type.blockSize() != 0) {
          throw MappedFile.malformed(
              label,
              "%s has rows of %d elements, not a whole number of %s blocks of %d"
                  .formatted(what, info.rowElements(), type, type.blockSize()));
        }
        return new TensorInfo(name, type, shape, offset, type.bytesFor(info.elements()));
      } catch (ArithmeticException e) {
        throw MappedFile.malformed(label, "%s has the absurd shape %s".formatted(what, shape));
      }
    }

    private TensorInfo shifted(TensorInfo info, long dataStart, int alignment) {
      long offset = info.offset();
      if (offset < 0 || offset % alignment != 0) {
        throw MappedFile.malformed(
            label,
            "tensor '%s' has the offset %s, expected a multiple of %d"
                .formatted(info.name(), Long.toUnsignedString(offset), alignment));
      }
      if (offset > file.byteSize() || info.bytes() > file.byteSize() - dataStart - offset) {
        throw MappedFile.malformed(
            label,
            "tensor '%s' needs %d bytes from byte %d of the data on, the file is too short for that"
                .formatted(info.name(), info.bytes(), offset));
      }
      return new TensorInfo(
          info.name(), info.type(), info.shape(), dataStart + offset, info.bytes());
    }

    private void checkLayout(long dataStart, int alignment) {
      var inOrder = new ArrayList<>(tensors.values());
      inOrder.sort(
          Comparator.comparingLong(TensorInfo::offset).thenComparingLong(TensorInfo::bytes));
      long end = dataStart;
      for (TensorInfo info : inOrder) {
        if (info.offset() != aligned(end, alignment)) {
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
    }

    private GgufValue nextValue(String key) {
      GgufValue.Type type = nextType(key);
      if (type != GgufValue.Type.ARRAY) {
        return new GgufValue(type, type, nextScalar(type, key));
      }
      GgufValue.Type elements = nextType(key);
      return new GgufValue(type, elements, nextArray(elements, key, 1));
    }

    private GgufValue.Type nextType(String key) {
      int code = nextInt(key);
      if (code < 0 || code >= TYPES.length) {
        throw MappedFile.malformed(
            label,
            "the metadata entry '%s' has the unknown type %s"
                .formatted(key, Integer.toUnsignedString(code)));
      }
      return TYPES[code];
    }

    private Object nextScalar(GgufValue.Type type, String key) {
      if (++values > MOST_VALUES) {
        throw MappedFile.malformed(
            label, "the metadata has more than %d values".formatted(MOST_VALUES));
      }
      return switch (type) {
        case UINT8 -> (long) Byte.toUnsignedInt(nextByte(key));
        case INT8 -> (long) nextByte(key);
        case UINT16 -> (long) Short.toUnsignedInt(nextShort(key));
        case INT16 -> (long) nextShort(key);
        case UINT32 -> Integer.toUnsignedLong(nextInt(key));
        case INT32 -> (long) nextInt(key);
        case UINT64 -> {
          long bits = nextLong(key);
          if (bits >= 0) {
            yield bits;
          }
          yield new BigInteger(Long.toUnsignedString(bits));
        }
        case INT64 -> nextLong(key);
        case FLOAT32 -> shortest(Float.intBitsToFloat(nextInt(key)));
        case FLOAT64 -> Double.longBitsToDouble(nextLong(key));
        case BOOL -> nextByte(key) != 0;
        case STRING -> nextString(key, Integer.MAX_VALUE);
        case ARRAY -> throw new IllegalStateException("an array is not a scalar");
      };
    }

    /// The double that prints as the float does: 1e-5f becomes 1e-5, not 9.999999747378752e-6.
    private static double shortest(float value) {
      return Float.isFinite(value) ? Double.parseDouble(Float.toString(value)) : value;
    }

    private Object nextArray(GgufValue.Type elements, String key, int depth) {
      if (depth > DEEPEST_ARRAY) {
        throw MappedFile.malformed(
            label,
            "the metadata entry '%s' nests arrays deeper than %d".formatted(key, DEEPEST_ARRAY));
      }
      long length = nextLong(key);
      long most = (file.byteSize() - position) / elements.leastBytes();
      if (length < 0 || length > most || length > MOST_VALUES - values) {
        throw MappedFile.malformed(
            label,
            "the metadata array '%s' claims %s elements, the file has room for %d"
                .formatted(
                    key, Long.toUnsignedString(length), Math.min(most, MOST_VALUES - values)));
      }
      int n = (int) length;
      return switch (elements) {
        case FLOAT32 -> {
          values += n;
          yield take(4L * n, key).toArray(FLOATS);
        }
        case INT32 -> {
          values += n;
          yield take(4L * n, key).toArray(INTS);
        }
        case ARRAY -> {
          var list = new ArrayList<Object>();
          for (int i = 0; i < n; i++) {
            if (++values > MOST_VALUES) {
              throw MappedFile.malformed(
                  label, "the metadata has more than %d values".formatted(MOST_VALUES));
            }
            list.add(nextArray(nextType(key), key, depth + 1));
          }
          yield Collections.unmodifiableList(list);
        }
        case UINT8, INT8, UINT16, INT16, UINT32, UINT64, INT64, FLOAT64, BOOL, STRING ->
            scalars(elements, n, key);
      };
    }

    private Object scalars(GgufValue.Type elements, int n, String key) {
      var list = new ArrayList<Object>(Math.min(n, 1 << 20));
      for (int i = 0; i < n; i++) {
        list.add(nextScalar(elements, key));
      }
      return Collections.unmodifiableList(list);
    }

    /// A count from the start of the file, each of whose items takes at least `leastBytes`.
    private long count(String what, int leastBytes) {
      long count = nextLong("the number of " + what);
      if (count < 0 || count > file.byteSize() / leastBytes || count > MOST_VALUES) {
        throw MappedFile.malformed(
            label,
            "it claims %s %s, more than a file of %d bytes can hold"
                .formatted(Long.toUnsignedString(count), what, file.byteSize()));
      }
      return count;
    }

    private String nextString(String what, int longest) {
      long length = nextLong(what);
      if (length < 0 || length > longest || length > file.byteSize() - position) {
        throw MappedFile.malformed(
            label,
            "%s claims %s bytes of text, %d are left in the file"
                .formatted(what, Long.toUnsignedString(length), file.byteSize() - position));
      }
      byte[] bytes = window;
      int at;
      if (length <= WINDOW) {
        at = need((int) length, what);
      } else {
        bytes = file.asSlice(position, length).toArray(ValueLayout.JAVA_BYTE);
        at = 0;
        position += length;
      }
      String text = new String(bytes, at, (int) length, StandardCharsets.UTF_8);
      // The replacement character stands for malformed bytes, or for itself.
      if (text.indexOf('\uFFFD') >= 0 && !wellFormed(bytes, at, (int) length)) {
        throw MappedFile.malformed(label, what + " is not UTF-8 text");
      }
      return text;
    }

    private static boolean wellFormed(byte[] utf8, int at, int length) {
      try {
        StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8, at, length));
        return true;
      } catch (CharacterCodingException e) {
        return false;
      }
    }

    private byte nextByte(String what) {
      return window[need(1, what)];
    }

    private short nextShort(String what) {
      return (short) SHORT_AT.get(window, need(2, what));
    }

    private int nextInt(String what) {
      return (int) INT_AT.get(window, need(4, what));
    }

    private long nextLong(String what) {
      return (long) LONG_AT.get(window, need(8, what));
    }

    /// Makes the next `bytes` bytes available in the window and steps over them.
    ///
    /// @return where in the window they start
    private int need(int bytes, String what) {
      if (bytes > file.byteSize() - position) {
        throw MappedFile.malformed(label, "the file ends inside " + what);
      }
      if (position < windowStart || position + bytes > windowStart + windowLength) {
        windowStart = position;
        windowLength = (int) Math.min(WINDOW, file.byteSize() - position);
        MemorySegment.copy(file, ValueLayout.JAVA_BYTE, position, window, 0, windowLength);
      }
      int at = (int) (position - windowStart);
      position += bytes;
      return at;
    }

    /// The next `bytes` bytes, too many for the window.
    private MemorySegment take(long bytes, String what) {
      if (bytes > file.byteSize() - position) {
        throw MappedFile.malformed(label, "the file ends inside " + what);
      }
      MemorySegment slice = file.asSlice(position, bytes);
      position += bytes;
      return slice;
    }
  }
}
