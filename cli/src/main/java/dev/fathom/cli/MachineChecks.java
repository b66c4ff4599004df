package dev.fathom.cli;

import dev.fathom.cli.Check.Finding;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// What `fathom doctor` can tell about a machine without loading native code.
final class MachineChecks {
  static final List<Check> ALL =
      List.of(
          new Check("system", MachineChecks::system),
          new Check("java", MachineChecks::java),
          new Check("java flags", MachineChecks::flags),
          new Check("start-up cache", MachineChecks::startUpCache),
          new Check("processor", MachineChecks::processor),
          new Check("memory", MachineChecks::memory),
          new Check("native cache", MachineChecks::nativeCache),
          new Check("model cache", MachineChecks::modelCache),
          new Check("terminal", MachineChecks::terminal));

  private static final Set<String> PLATFORMS =
      Set.of("linux-x86_64", "macosx-arm64", "macosx-x86_64", "windows-x86_64");

  /// Instruction sets that change which kernels libtorch and oneDNN take, as /proc/cpuinfo spells
  /// them.
  private static final List<String> INSTRUCTION_SETS =
      List.of(
          "avx2",
          "fma",
          "f16c",
          "avx512f",
          "avx512_vnni",
          "avx512_bf16",
          "avx_vnni",
          "amx_bf16",
          "amx_tile");

  private static final long GIB = 1L << 30;

  private MachineChecks() {}

  private static Finding system(Console console) {
    var found =
        "%s %s, %s"
            .formatted(
                System.getProperty("os.name"),
                System.getProperty("os.version"),
                NativeCache.platform());
    if (PLATFORMS.contains(NativeCache.platform())) return Finding.ok(found);
    return Finding.problem(
        found + ": no native libraries are published for it",
        "Use one of " + String.join(", ", new TreeSet<>(PLATFORMS)) + ", or a container of one.");
  }

  private static Finding java(Console console) {
    var found =
        "%s, %s, in %s"
            .formatted(
                Runtime.version(),
                System.getProperty("java.vendor"),
                System.getProperty("java.home"));
    if (Runtime.version().feature() >= 25) return Finding.ok(found);
    return Finding.problem(
        found, "Install Temurin 25 from https://adoptium.net and set FATHOM_JAVA_HOME.");
  }

  private static Finding flags(Console console) {
    var given = ManagementFactory.getRuntimeMXBean().getInputArguments();
    var missing =
        Stream.of("--enable-native-access", "--sun-misc-unsafe-memory-access")
            .filter(flag -> given.stream().noneMatch(arg -> arg.startsWith(flag)))
            .toList();
    if (missing.isEmpty()) return Finding.ok("native access allowed");
    return Finding.note(
        "without " + String.join(" and ", missing) + ", Java prints warnings",
        "Start Fathom with its launcher, or pass the flags that it passes.");
  }

  private static Finding startUpCache(Console console) {
    boolean used =
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
            .anyMatch(arg -> arg.startsWith("-XX:AOTCache="));
    if (used) return Finding.ok("in use");
    return Finding.note(
        "not in use: every start takes a little longer",
        console.variable("FATHOM_NO_AOT").isPresent()
            ? "Unset FATHOM_NO_AOT."
            : "Start Fathom with its launcher; it makes the cache at the first start.");
  }

  private static Finding processor(Console console) throws IOException {
    int cores = Runtime.getRuntime().availableProcessors();
    var found = "%d core%s".formatted(cores, cores == 1 ? "" : "s");
    var cpuInfo = Path.of("/proc/cpuinfo");
    if (!Files.isReadable(cpuInfo)) return Finding.ok(found);
    try (var lines = Files.lines(cpuInfo)) {
      var flags =
          lines
              .filter(line -> line.startsWith("flags"))
              .findFirst()
              .map(line -> Set.copyOf(Arrays.asList(line.split("\\s+"))))
              .orElse(Set.of());
      var present =
          INSTRUCTION_SETS.stream().filter(flags::contains).collect(Collectors.joining(" "));
      if (flags.contains("avx2")) return Finding.ok(found + ", " + present);
      return Finding.note(
          found + ", without avx2", "Expect slow models; a newer processor is the only cure.");
    }
  }

  private static Finding memory(Console console) {
    var os = ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class);
    long heap = Runtime.getRuntime().maxMemory();
    var found =
        "%s, of which Java's heap may take %s".formatted(gib(os.getTotalMemorySize()), gib(heap));
    if (os.getTotalMemorySize() >= 4 * GIB) return Finding.ok(found);
    return Finding.note(
        found, "Models of more than 300 million parameters need more; --dtype bf16 halves them.");
  }

  private static Finding nativeCache(Console console) throws IOException {
    var cache = NativeCache.here();
    if (cache.isFilled()) return Finding.ok(cache.folder() + ", filled");
    long free = cache.freeBytes();
    var found = "%s, not filled yet (%s free)".formatted(cache.folder(), gib(free));
    if (free >= 2 * NativeCache.UNPACKED_BYTES) return Finding.ok(found);
    return Finding.problem(
        found,
        "Free %s there, or name another folder: FATHOM_JAVA_OPTS=-D%s=/path"
            .formatted(gib(NativeCache.UNPACKED_BYTES), NativeCache.FOLDER_PROPERTY));
  }

  private static Finding modelCache(Console console) throws IOException {
    var home =
        console
            .variable("HF_HOME")
            .map(Path::of)
            .orElse(Path.of(System.getProperty("user.home"), ".cache", "huggingface"));
    var hub = console.variable("HF_HUB_CACHE").map(Path::of).orElse(home.resolve("hub"));
    if (!Files.isDirectory(hub)) return Finding.ok(hub + ", empty");
    try (var entries = Files.list(hub)) {
      long models =
          entries.filter(entry -> entry.getFileName().toString().startsWith("models--")).count();
      return Finding.ok("%s, %d model%s".formatted(hub, models, models == 1 ? "" : "s"));
    }
  }

  private static Finding terminal(Console console) {
    if (!console.outIsTerminal())
      return Finding.ok("standard output is no terminal: plain text, no colour");
    var found =
        "%d columns, %s".formatted(console.width(), console.color() ? "colour" : "no colour");
    if (!isUtf8(console)) {
      return Finding.note(
          found + ", locale is not UTF-8", "Set LC_ALL=C.UTF-8, or pictures may look torn.");
    }
    if (console.color() && !console.variable("COLORTERM").orElse("").matches("truecolor|24bit")) {
      return Finding.note(
          found + ", 24-bit colour not announced",
          "If heat maps look wrong, set COLORTERM=truecolor.");
    }
    if (console.width() < Console.DEFAULT_WIDTH) {
      return Finding.note(found, "Heat maps want 80 columns or more.");
    }
    return Finding.ok(found);
  }

  private static boolean isUtf8(Console console) {
    var locale =
        Stream.of("LC_ALL", "LC_CTYPE", "LANG")
            .flatMap(name -> console.variable(name).stream())
            .findFirst()
            .orElse("");
    return locale.toLowerCase(Locale.ROOT).replace("-", "").contains("utf8");
  }

  private static String gib(long bytes) {
    return String.format(Locale.ROOT, "%.1f GiB", (double) bytes / GIB);
  }
}
