package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/// Writes a weight file whose tensors were declared beforehand, a piece at a time and in any order
/// of tensors, so that no tensor needs to be in memory whole.
///
/// ```java
/// var specs = List.of(TensorSpec.of("resid_post.0", TensorType.F32, rows, 768));
/// try (var writer = SafetensorsWriter.create(path, specs, Map.of("format", "pt"))) {
///   for (float[] row : source) writer.append("resid_post.0", row);
///   writer.commit();
/// }
/// ```
///
/// The file is written beside its destination under another name and takes its name in [#commit()]:
/// whoever closes without committing, or dies, leaves what was there before. One thread at a time.
public final class WeightWriter implements AutoCloseable {
  /// Partial files now being written, deleted when the process is told to end. The hook is
  /// installed with the first of them.
  private static final class Unfinished {
    static final Set<Path> FILES = ConcurrentHashMap.newKeySet();

    static {
      Runtime.getRuntime()
          .addShutdownHook(
              new Thread(() -> FILES.forEach(Unfinished::discard), "discard partial weight files"));
    }

    private static void discard(Path partial) {
      try {
        Files.deleteIfExists(partial);
      } catch (IOException _) {
        // A left-over file with a telling name does less harm than delaying the end.
      }
    }
  }

  private static final int PIECE = 1 << 24;
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Path target;
  private final Path partial;
  private final FileChannel channel;
  private final Map<String, TensorInfo> tensors;
  private final Map<String, Long> written = new HashMap<>();
  private boolean committed;

  private WeightWriter(
      Path target, Path partial, FileChannel channel, Map<String, TensorInfo> tensors) {
    this.target = target;
    this.partial = partial;
    this.channel = channel;
    this.tensors = tensors;
  }

  /// Starts a file with this header; `tensors` says where each tensor's bytes go.
  static WeightWriter start(Path target, byte[] header, LinkedHashMap<String, TensorInfo> tensors) {
    if (Files.exists(target) && !Files.isRegularFile(target)) {
      throw new FathomException(target + ": is not a file, so it cannot be replaced by one");
    }
    Path partial =
        target.resolveSibling(target.getFileName() + "." + UUID.randomUUID() + ".partial");
    Unfinished.FILES.add(partial);
    try {
      FileChannel channel =
          FileChannel.open(partial, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
      var writer = new WeightWriter(target, partial, channel, tensors);
      try {
        writer.put(MemorySegment.ofArray(header), 0);
        return writer;
      } catch (Throwable e) {
        writer.close();
        throw e;
      }
    } catch (IOException e) {
      Unfinished.FILES.remove(partial);
      throw new FathomException(target + ": " + reason(e), e);
    }
  }

  private static String reason(IOException e) {
    return switch (e) {
      case NoSuchFileException _ -> "cannot be written, its folder does not exist";
      case AccessDeniedException _ -> "cannot be written, permission denied";
      default -> "cannot be written (" + e.getMessage() + ")";
    };
  }

  /// Appends the next bytes of a tensor, encoded as its type says (little-endian).
  ///
  /// @throws IllegalArgumentException if the tensor was not declared or would become longer than
  ///   declared
  public void append(String name, MemorySegment bytes) {
    TensorInfo info = tensors.get(name);
    if (info == null) {
      throw new IllegalArgumentException(
          "%s: tensor '%s' was not declared%s"
              .formatted(target.getFileName(), name, Suggestion.of(name, tensors.keySet())));
    }
    long done = written.getOrDefault(name, 0L);
    if (bytes.byteSize() > info.bytes() - done) {
      throw new IllegalArgumentException(
          "%s: tensor '%s' was declared with %d bytes, got %d after the first %d"
              .formatted(target.getFileName(), name, info.bytes(), bytes.byteSize(), done));
    }
    put(bytes, info.offset() + done);
    written.put(name, done + bytes.byteSize());
  }

  /// Appends the next values of a tensor, encoding them in its type (F32, F16, BF16 or Q8_0).
  public void append(String name, float[] values) {
    TensorInfo info = tensors.get(name);
    TensorType type = info == null ? TensorType.F32 : info.type();
    MemorySegment floats = MemorySegment.ofArray(new byte[Math.multiplyExact(4, values.length)]);
    MemorySegment.copy(values, 0, floats, FLOAT, 0, values.length);
    if (type == TensorType.F32) {
      append(name, floats);
      return;
    }
    long bytes = type.bytesFor(values.length);
    MemorySegment encoded = MemorySegment.ofArray(new byte[Math.toIntExact(bytes)]);
    Quantizer.fromF32(type, floats, values.length, encoded);
    append(name, encoded);
  }

  /// Gives the file its name, once every tensor is complete.
  ///
  /// @throws IllegalStateException if a tensor is incomplete
  /// @throws FathomException if the file cannot be renamed
  public void commit() {
    for (TensorInfo info : tensors.values()) {
      long done = written.getOrDefault(info.name(), 0L);
      if (done != info.bytes()) {
        throw new IllegalStateException(
            "%s: tensor '%s' has %d of its %d bytes"
                .formatted(target.getFileName(), info.name(), done, info.bytes()));
      }
    }
    try {
      channel.close();
      move(partial, target);
      committed = true;
    } catch (IOException e) {
      throw new FathomException(target + ": " + reason(e), e);
    }
  }

  /// Writes a small file in one go, appearing complete or not at all.
  static void writeWhole(Path target, byte[] content) {
    try (var writer = start(target, content, new LinkedHashMap<>())) {
      writer.commit();
    }
  }

  private static void move(Path from, Path to) throws IOException {
    try {
      Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  private void put(MemorySegment bytes, long position) {
    try {
      for (long from = 0; from < bytes.byteSize(); from += PIECE) {
        MemorySegment piece = bytes.asSlice(from, Math.min(PIECE, bytes.byteSize() - from));
        ByteBuffer buffer =
            piece.isNative() || piece.heapBase().orElse(null) instanceof byte[]
                ? piece.asByteBuffer()
                : ByteBuffer.wrap(piece.toArray(ValueLayout.JAVA_BYTE));
        long at = position + from;
        while (buffer.hasRemaining()) {
          at += channel.write(buffer, at);
        }
      }
    } catch (IOException e) {
      throw new FathomException(target + ": " + reason(e), e);
    }
  }

  /// Ends writing; without a [#commit()] before, nothing remains.
  @Override
  public void close() {
    try {
      channel.close();
      if (!committed) {
        Files.deleteIfExists(partial);
      }
      Unfinished.FILES.remove(partial);
    } catch (IOException e) {
      throw new FathomException(partial + ": cannot be removed (" + e.getMessage() + ")", e);
    }
  }
}
