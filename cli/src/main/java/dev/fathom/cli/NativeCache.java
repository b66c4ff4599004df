package dev.fathom.cli;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/// Where native libraries are unpacked before their first use. JavaCPP does that without a word and
/// takes some seconds, so the command line says it first.
///
/// @param folder the folder; one sub-folder for each jar, named like it
/// @param jars file names of the jars on the class path that hold this machine's native libraries
record NativeCache(Path folder, List<String> jars) {
  /// The system property that moves the folder.
  static final String FOLDER_PROPERTY = "org.bytedeco.javacpp.cachedir";

  /// Bytes that the libraries take, measured on Linux.
  static final long UNPACKED_BYTES = 446L << 20;

  NativeCache {
    jars = List.copyOf(jars);
  }

  /// The cache of this process.
  static NativeCache here() {
    var moved = System.getProperty(FOLDER_PROPERTY);
    var folder =
        moved != null
            ? Path.of(moved)
            : Path.of(System.getProperty("user.home"), ".javacpp", "cache");
    var jars =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .map(entry -> Path.of(entry).getFileName())
            .filter(name -> name != null)
            .map(Path::toString)
            .filter(name -> name.endsWith("-" + platform() + ".jar"))
            .filter(name -> name.startsWith("pytorch-") || name.startsWith("openblas-"))
            .toList();
    return new NativeCache(folder, jars);
  }

  /// Whether every jar has been unpacked before.
  boolean isFilled() {
    return jars.stream().allMatch(jar -> Files.isDirectory(folder.resolve(jar)));
  }

  /// Bytes free where the folder is or will be.
  long freeBytes() throws IOException {
    Path existing = folder.toAbsolutePath();
    while (existing.getParent() != null && !Files.exists(existing)) existing = existing.getParent();
    return Files.getFileStore(existing).getUsableSpace();
  }

  /// Says on standard error that a first use will take a while, if it will. To be called before
  /// native code is.
  void announce(Console console) {
    if (isFilled()) return;
    console
        .err()
        .printf("unpacking native libraries to %s (%d MB, once)…%n", folder, UNPACKED_BYTES >> 20);
    console.err().flush();
  }

  /// This machine as JavaCPP names it, such as `linux-x86_64`.
  static String platform() {
    var name = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    var system = name.startsWith("mac") ? "macosx" : name.startsWith("windows") ? "windows" : name;
    var processor =
        switch (System.getProperty("os.arch")) {
          case "amd64" -> "x86_64";
          case "aarch64" -> "arm64";
          case String other -> other;
        };
    return system + "-" + processor;
  }
}
