package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Handles;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/// What forwards leave behind: no native object at all (a garbage collection in between can only
/// take some away), and of resident memory less than 20 MB in 1,000 forwards: a third of what one
/// lost pattern `[4 heads, 64, 64]` a forward would add, and room for the allocator and the
/// compiler.
class NativeMemoryTest {
  private static final long TOLERANCE = 20L << 20;

  @Test
  @EnabledOnOs(value = OS.LINUX, disabledReason = "reads /proc/self/smaps")
  void aThousandForwardsWithCapturesAndChangesLeaveNothingBehind() throws IOException {
    try (var tiny = TinyModels.llama(DType.F32)) {
      repeat(tiny, 700);
      System.gc();
      long before = nativeBytes();
      repeat(tiny, 1000);
      long grown = nativeBytes() - before;
      assertThat(grown).as("bytes left behind by 1,000 forwards").isLessThan(TOLERANCE);
    }
  }

  private static void repeat(TinyModel tiny, int times) {
    int n = 64;
    int[] ids = TinyModel.idArray(n, 1);
    List<Slice> slices = Sites.of(tiny.model()).stream().map(Slice::of).toList();
    for (int i = 0; i < times; i++) {
      long handles = Handles.open();
      try (var _ = i % 2 == 0 ? Scope.withoutGradients() : Scope.withGradients()) {
        var capture = Capture.of(slices.subList(i % 7 * 3, i % 7 * 3 + 6));
        Tensor leaf = Tensor.zeros(DType.F32, n, 16);
        if (i % 2 == 1) {
          leaf.requireGradient();
        }
        Tap tap =
            Taps.set(Slice.of(Kind.RESID_PRE, 1), leaf)
                .then(Taps.scale(Slice.of(Kind.PATTERN, 2).heads(1), 0.5))
                .then(capture);
        Tensor logits =
            tiny.model().forward(Tensor.of(ids, n), Pass.over(Layout.rows(n)).with(tap));
        if (i % 2 == 1) {
          logits.sum().backward();
        }
      }
      assertThat(Handles.open()).as("native objects after turn %d", i).isLessThanOrEqualTo(handles);
    }
  }

  /// Resident bytes outside the Java heap, which lies below 32 GB (compressed pointers).
  private static long nativeBytes() throws IOException {
    long kilobytes = 0;
    boolean javaHeap = false;
    for (String line : Files.readAllLines(Path.of("/proc/self/smaps"))) {
      String[] words = line.split("\\s+", -1);
      if (words[0].equals("Rss:")) {
        kilobytes += javaHeap ? 0 : Long.parseLong(words[1]);
      } else if (!words[0].endsWith(":")) {
        long start = Long.parseUnsignedLong(words[0].substring(0, words[0].indexOf('-')), 16);
        javaHeap = Long.compareUnsigned(start, 32L << 30) < 0;
      }
    }
    return kilobytes << 10;
  }
}
