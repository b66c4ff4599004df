package dev.fathom.bench;

import dev.fathom.tensor.Memory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// The most physical memory that this process has held, from one mark to the next.
final class PeakMemory {
  private static final Path CLEAR = Path.of("/proc/self/clear_refs");

  /// Clears the peak and nothing else, says proc(5).
  private static final String PEAK_ONLY = "5";

  private PeakMemory() {}

  /// Bytes since the last mark, or since the start where the system cannot begin anew. Sets a mark.
  static long mark() {
    long peak = Memory.peakBytes();
    try {
      Files.writeString(CLEAR, PEAK_ONLY, StandardOpenOption.WRITE);
    } catch (IOException e) {
      return peak; // not Linux, or not allowed: the next peak counts from the start too
    }
    return peak;
  }
}
