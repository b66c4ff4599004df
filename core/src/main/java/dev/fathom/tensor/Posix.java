package dev.fathom.tensor;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.net.Inet4Address;
import java.nio.ByteOrder;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.function.Supplier;

/// The few calls of the operating system that libtorch's process groups need and Java does not
/// have: a listening socket as a descriptor, and no standard output for a moment.
final class Posix {
  private static final int AF_INET = 2;
  private static final int SOCK_STREAM = 1;
  private static final int BACKLOG = 128;
  private static final int STDOUT = 1;
  private static final int O_WRONLY = 1;

  private static final ValueLayout.OfShort NETWORK =
      JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private static final boolean MAC = system().startsWith("mac");

  private static final MethodHandle SOCKET = function("socket", JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle SETSOCKOPT =
      function("setsockopt", JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
  private static final MethodHandle BIND = function("bind", JAVA_INT, ADDRESS, JAVA_INT);
  private static final MethodHandle LISTEN = function("listen", JAVA_INT, JAVA_INT);
  private static final MethodHandle OPEN = function("open", ADDRESS, JAVA_INT);
  private static final MethodHandle CLOSE = function("close", JAVA_INT);
  private static final MethodHandle DUP = function("dup", JAVA_INT);
  private static final MethodHandle DUP2 = function("dup2", JAVA_INT, JAVA_INT);
  private static final MethodHandle FFLUSH = function("fflush", ADDRESS);

  private Posix() {}

  /// Whether this system has these calls, in a form known here.
  static boolean isHere() {
    return MAC || system().startsWith("linux");
  }

  private static String system() {
    return System.getProperty("os.name").toLowerCase(Locale.ROOT);
  }

  private static MethodHandle function(String name, ValueLayout... arguments) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(
        linker.defaultLookup().findOrThrow(name), FunctionDescriptor.of(JAVA_INT, arguments));
  }

  /// Calls a function that returns -1 when it fails.
  private static int call(MethodHandle function, Object... arguments) {
    try {
      return (int) function.invokeWithArguments(arguments);
    } catch (Throwable e) {
      throw new IllegalStateException("the operating system's " + function + " is not there", e);
    }
  }

  /// A socket that listens at this address and no other; empty if it cannot, as when the port is
  /// taken.
  static OptionalInt listening(Inet4Address address, int port) {
    int descriptor = call(SOCKET, AF_INET, SOCK_STREAM, 0);
    if (descriptor < 0) {
      return OptionalInt.empty();
    }
    try (var arena = Arena.ofConfined()) {
      MemorySegment on = arena.allocateFrom(JAVA_INT, 1);
      MemorySegment at = arena.allocate(16, 4); // struct sockaddr_in
      if (MAC) {
        at.set(JAVA_BYTE, 0, (byte) 16);
        at.set(JAVA_BYTE, 1, (byte) AF_INET);
      } else {
        at.set(JAVA_SHORT_UNALIGNED, 0, (short) AF_INET);
      }
      at.set(NETWORK, 2, (short) port);
      MemorySegment.copy(address.getAddress(), 0, at, JAVA_BYTE, 4, 4);
      int level = MAC ? 0xffff : 1;
      int reuse = MAC ? 4 : 2;
      boolean done =
          call(SETSOCKOPT, descriptor, level, reuse, on, 4) == 0
              && call(BIND, descriptor, at, 16) == 0
              && call(LISTEN, descriptor, BACKLOG) == 0;
      if (!done) {
        close(descriptor);
      }
      return done ? OptionalInt.of(descriptor) : OptionalInt.empty();
    }
  }

  static void close(int descriptor) {
    int _ = call(CLOSE, descriptor);
  }

  private static int silent; // how many threads want no output now
  private static int output = -1; // the real one, while there is any

  /// Discards what is written on standard output meanwhile: what a native library tells about
  /// itself is nobody's result.
  static <T> T withoutOutput(Supplier<T> work) {
    silence();
    try {
      return work.get();
    } finally {
      restore();
    }
  }

  private static synchronized void silence() {
    if (silent++ > 0) {
      return;
    }
    int _ = call(FFLUSH, MemorySegment.NULL);
    try (var arena = Arena.ofConfined()) {
      int nowhere = call(OPEN, arena.allocateFrom("/dev/null"), O_WRONLY);
      output = nowhere < 0 ? -1 : call(DUP, STDOUT);
      if (output >= 0) {
        int _ = call(DUP2, nowhere, STDOUT);
      }
      if (nowhere >= 0) {
        close(nowhere);
      }
    }
  }

  private static synchronized void restore() {
    if (--silent > 0) {
      return;
    }
    int _ = call(FFLUSH, MemorySegment.NULL);
    if (output >= 0) {
      int _ = call(DUP2, output, STDOUT);
      close(output);
    }
  }
}
