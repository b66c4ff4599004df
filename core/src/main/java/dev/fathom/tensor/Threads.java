package dev.fathom.tensor;

import org.bytedeco.pytorch.global.torch;

/// How many threads the kernels use: the one process-wide setting of this package.
///
/// libtorch's OpenMP threads do the work; OpenBLAS is kept at one of its own ([Libtorch]).
public final class Threads {
  static {
    Libtorch.prepare();
  }

  private Threads() {}

  /// Sets the number of kernel threads, 1 or more.
  public static void set(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("threads must be at least 1, found " + threads);
    }
    torch.set_num_threads(threads);
  }

  /// Sets the number of kernel threads of the calling thread alone: 1 for each of several workers
  /// that share the cores.
  public static void ofThisThread(int threads) {
    torch.set_num_threads(threads);
  }

  public static int get() {
    return torch.get_num_threads();
  }
}
