package dev.fathom.packageorder.render;

import org.bytedeco.javacpp.Pointer;

/// Breaks the order on purpose: only `tensor` touches native code.
record TouchesNativeCode(Pointer pointer) {}
