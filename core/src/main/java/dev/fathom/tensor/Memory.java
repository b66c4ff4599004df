package dev.fathom.tensor;

import java.io.IOException;
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
