package dev.fathom.train;

import dev.fathom.FathomException;
import dev.fathom.tensor.ProcessGroup;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Further copies of this Java process on the same machine, to train together with it.
///
/// ```java
/// try (var workers = LocalWorkers.start(3, Main.class, arguments); // two more: this is process 0
///     var group = workers.join(Duration.ofMinutes(10))) {
///   new Trainer(parameters, objective, data, heldOut, settings).with(Peers.of(group)).run(…);
/// }
/// ```
///
/// Each copy has this process's Java options and class path, and `arguments` with `--rendezvous
/// HOST:PORT --rank R` behind them. There, the same program calls [#endWithParent()] and joins:
/// `ProcessGroup.join(host, port, rank, size, timeout)`. What a copy writes on standard output is
/// discarded, its standard error is this process's.
public final class LocalWorkers implements AutoCloseable {
  private static final String HOST = "127.0.0.1";
  private static final int SECONDS_TO_END = 5;
  private static final int FAILED = 1;

  /// Java options that are for one process: debuggers, agents, caches to write.
  private static final List<String> ONCE =
      List.of(
          "-agentlib:",
          "-agentpath:",
          "-javaagent:",
          "-XX:AOTCacheOutput",
          "-XX:ArchiveClassesAtExit");

  private final int port;
  private final List<Process> copies;
  private final Thread ending = new Thread(this::end, "end fathom workers");

  private LocalWorkers(int port, List<Process> copies) {
    this.port = port;
    this.copies = List.copyOf(copies);
    Runtime.getRuntime().addShutdownHook(ending);
  }

  /// Starts `size − 1` copies, with ranks from 1.
  ///
  /// @param main the class that this process was started with
  /// @param arguments those of this process
  /// @throws FathomException if one cannot be started; none is left then
  public static LocalWorkers start(int size, Class<?> main, List<String> arguments) {
    if (size < 1) {
      throw new IllegalArgumentException("there must be at least 1 process, found " + size);
    }
    int port = freePort();
    var copies = new ArrayList<Process>();
    try {
      for (int rank = 1; rank < size; rank++) {
        copies.add(
            new ProcessBuilder(command(main, arguments, port, rank))
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start());
      }
    } catch (IOException e) {
      copies.forEach(Process::destroyForcibly);
      throw new FathomException("cannot start a further process (%s)".formatted(e.getMessage()), e);
    }
    return new LocalWorkers(port, copies);
  }

  private static int freePort() {
    try (var socket = new ServerSocket(0, 1, InetAddress.getByName(HOST))) {
      return socket.getLocalPort();
    } catch (IOException e) {
      throw new FathomException("no port is free at " + HOST, e);
    }
  }

  static List<String> command(Class<?> main, List<String> arguments, int port, int rank) {
    var command = new ArrayList<String>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(option -> ONCE.stream().noneMatch(option::startsWith))
        .forEach(command::add);
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(main.getName());
    command.addAll(arguments);
    command.addAll(List.of("--rendezvous", HOST + ":" + port, "--rank", Integer.toString(rank)));
    return command;
  }

  /// How many processes there are, this one included.
  public int size() {
    return copies.size() + 1;
  }

  /// Meets the copies, as process 0.
  ///
  /// @param timeout as in [ProcessGroup#join]
  /// @throws FathomException if one does not come
  public ProcessGroup join(Duration timeout) {
    return ProcessGroup.join(HOST, port, 0, size(), timeout);
  }

  /// In a copy: ends this process at once when the one that started it is no more, however that
  /// ended.
  public static void endWithParent() {
    ProcessHandle.current()
        .parent()
        .ifPresent(parent -> parent.onExit().thenRun(() -> Runtime.getRuntime().halt(FAILED)));
  }

  /// Waits a few seconds for the copies, and ends those that are still there.
  @Override
  public void close() {
    try {
      long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS_TO_END);
      for (Process copy : copies) {
        var _ = copy.waitFor(Math.max(0, until - System.nanoTime()), TimeUnit.NANOSECONDS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    end();
    try {
      var _ = Runtime.getRuntime().removeShutdownHook(ending);
    } catch (IllegalStateException _) {
      // the process is ending, and the hook has its work done
    }
  }

  private void end() {
    copies.forEach(Process::destroyForcibly);
  }
}
