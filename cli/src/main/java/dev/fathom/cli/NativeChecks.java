package dev.fathom.cli;

import dev.fathom.cli.Check.Finding;
import dev.fathom.evaluate.SelfTest;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Threads;
import dev.fathom.tensor.Weight;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/// What `fathom doctor` can tell only by loading native code: which kernels are used, and whether
/// they compute what they should. It is not unpacked for this alone.
final class NativeChecks {
  static final List<Check> ALL =
      List.of(
          new Check("kernels", NativeChecks::kernels),
          new Check("arithmetic", NativeChecks::numbers));

  private NativeChecks() {}

  private static Finding notYet() {
    return Finding.note(
        "not looked at: the native libraries are unpacked at the first use of a model",
        "Run fathom verify --model M, then fathom doctor again.");
  }

  private static Finding kernels(Console console) {
    if (!NativeCache.here().isFilled()) return notYet();
    var threads = "%d threads by default".formatted(Threads.get());
    String types = Weight.isNative(DType.BF16) ? "F32, BF16" : "F32; BF16 computes in F32 here";
    return Weight.canBePrepared()
        ? Finding.ok("prepacked oneDNN linear maps (%s), %s".formatted(types, threads))
        : Finding.note(
            "plain linear maps, " + threads,
            "This build of libtorch lacks the interface of the fast ones: use the one Fathom ships.");
  }

  private static Finding numbers(Console console) {
    if (!NativeCache.here().isFilled()) return notYet();
    var wrong =
        SelfTest.run().stream()
            .filter(row -> !(row.gap() <= row.limit()))
            .map(row -> String.format(Locale.ROOT, "%s is off by %.2e", row.name(), row.gap()))
            .collect(Collectors.joining(", "));
    return wrong.isEmpty()
        ? Finding.ok("products, softmax and strided maps agree with F64 in Java")
        : Finding.problem(wrong, "Do not trust results of this machine; please report it.");
  }
}
