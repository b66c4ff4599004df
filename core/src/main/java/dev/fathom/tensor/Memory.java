package dev.fathom.tensor;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.javacpp.Pointer;

/// What the process occupies, native memory included.
public final class Memory {
  private static final Path STATUS = Path.of("/proc/self/status");

  static {
    Libtorch.prepare();
  }

  private Memory() {}

  /// Physical bytes of this process now.
  public static long residentBytes() {
    return fromStatus("VmRSS:", Pointer.physicalBytes());
  }

  /// The most it has occupied so far, or what it occupies now where the system does not tell.
  public static long peakBytes() {
    return fromStatus("VmHWM:", Pointer.physicalBytes());
  }

  /// Gives freed native memory that the allocator still holds back to the system, where it can.
  public static void trim() {
    Linker linker = Linker.nativeLinker();
    linker
        .defaultLookup()
        .find("malloc_trim")
        .ifPresent(symbol -> {
          try {
            int _ =
                (int)
                    linker
                        .downcallHandle(
                            symbol,
                            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG))
                        .invokeExact(0L);
          } catch (Throwable e) {
            throw new LinkageError("malloc_trim failed", e);
          }
        });
  }

  private static long fromStatus(String field, long otherwise) {
    if (!Files.isReadable(STATUS)) {
      return otherwise;
    }
    try (var lines = Files.lines(STATUS)) {
      return lines
          .filter(line -> line.startsWith(field))
          .map(line -> line.replaceAll("\\D", ""))
          .mapToLong(kilobytes -> Long.parseLong(kilobytes) * 1024)
          .findFirst()
          .orElse(otherwise);
    } catch (IOException e) {
      return otherwise;
    }
  }
}
