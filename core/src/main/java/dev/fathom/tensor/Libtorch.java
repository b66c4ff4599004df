package dev.fathom.tensor;

import org.bytedeco.openblas.global.openblas;

/// How the native library is set up, once, before its first use.
///
/// JavaCPP would register every pointer with the garbage collector and look at the process's memory
/// at each allocation; both together cost more than a small operation itself. Scopes free what is
/// made here, so neither is needed: what belongs to no scope and is not freed by hand is never
/// freed.
///
/// OpenBLAS, which libtorch calls for small products, would bring threads of its own that fight
/// libtorch's for the cores; they are kept at one.
final class Libtorch {
  static {
    setUnlessGiven("org.bytedeco.javacpp.nopointergc", "true");
    setUnlessGiven("org.bytedeco.javacpp.maxbytes", "0");
    setUnlessGiven("org.bytedeco.javacpp.maxphysicalbytes", "0");
    openblas.blas_set_num_threads(1);
  }

  private Libtorch() {}

  private static void setUnlessGiven(String property, String value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }

  /// Makes sure the settings stand; every class of this package that touches native code calls it
  /// first.
  static void prepare() {}
}
