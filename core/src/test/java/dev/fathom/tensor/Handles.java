package dev.fathom.tensor;

import org.bytedeco.javacpp.Pointer;

/// How many native objects Java holds, for tests that want none left behind.
public final class Handles {
  private Handles() {}

  /// Objects that are neither freed by a scope nor collected yet.
  public static long open() {
    return Pointer.totalCount();
  }
}
