package dev.fathom.cli;

import dev.fathom.FathomException;
import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// What a command sees of the terminal it was started from. Tests make one over buffers.
///
/// @param in standard input, read as UTF-8
/// @param out standard output: results only; in UTF-8 whatever the locale says
/// @param err standard error: progress, warnings, errors
/// @param environment the environment variables
/// @param outIsTerminal whether a person reads `out` directly
/// @param errIsTerminal whether a person reads `err` directly; progress bars appear only then
/// @param color whether `out` may carry colour: a terminal that is not dumb, with neither
///   `NO_COLOR` nor `--no-color`
/// @param width columns of the terminal, 80 when there is none
record Console(
    BufferedReader in,
    PrintWriter out,
    PrintWriter err,
    Map<String, String> environment,
    boolean outIsTerminal,
    boolean errIsTerminal,
    boolean color,
    int width) {

  static final int DEFAULT_WIDTH = 80;
  private static final int MIN_WIDTH = 20;
  private static final int MAX_WIDTH = 1000;

  Console {
    environment = Map.copyOf(environment);
  }

  /// The process's own standard streams. The launcher has looked at the terminal already and says
  /// what it saw in the system properties `fathom.terminal` (`out`, `err`, both or neither) and
  /// `fathom.width`; started without it, only the JDK's coarser answer is known.
  static Console system() {
    var seen = System.getProperty("fathom.terminal");
    boolean both = seen == null && System.console() != null && System.console().isTerminal();
    var terminals = seen == null ? List.<String>of() : List.of(seen.split(","));
    boolean outIsTerminal = both || terminals.contains("out");
    var environment = System.getenv();
    return new Console(
        new BufferedReader(
            new InputStreamReader(new FileInputStream(FileDescriptor.in), StandardCharsets.UTF_8)),
        writer(new FileOutputStream(FileDescriptor.out), "standard output"),
        writer(new FileOutputStream(FileDescriptor.err), "standard error"),
        environment,
        outIsTerminal,
        both || terminals.contains("err"),
        outIsTerminal && allowsColor(environment),
        width(System.getProperty("fathom.width"), environment));
  }

  /// The value of an environment variable; a variable set to nothing counts as not set.
  Optional<String> variable(String name) {
    return Optional.ofNullable(environment.get(name)).filter(value -> !value.isEmpty());
  }

  /// The same without colour, even where the environment asks for it (`CLICOLOR_FORCE`).
  Console withoutColor() {
    var colorless = new HashMap<>(environment);
    colorless.put("NO_COLOR", "1");
    return new Console(in, out, err, colorless, outIsTerminal, errIsTerminal, false, width);
  }

  /// Whether the environment lets a terminal be coloured (<https://no-color.org>).
  static boolean allowsColor(Map<String, String> environment) {
    return environment.getOrDefault("NO_COLOR", "").isEmpty()
        && !environment.getOrDefault("TERM", "").equals("dumb");
  }

  private static int width(String measured, Map<String, String> environment) {
    var text = measured != null ? measured : environment.getOrDefault("COLUMNS", "");
    try {
      int columns = Integer.parseInt(text.strip());
      return columns < MIN_WIDTH
          ? DEFAULT_WIDTH
          : Math.min(columns, MAX_WIDTH); // some terminals say 0
    } catch (NumberFormatException e) {
      return DEFAULT_WIDTH;
    }
  }

  /// A UTF-8 writer over `stream` that does not swallow errors as [PrintWriter] alone would: it
  /// throws [ClosedPipe] when the reader has gone and [FathomException] when the disk is full.
  static PrintWriter writer(OutputStream stream, String name) {
    return new PrintWriter(
        new OutputStreamWriter(
            new BufferedOutputStream(new Loud(stream, name)), StandardCharsets.UTF_8),
        /* autoFlush= */ true);
  }

  /// The program that read our output has stopped reading (`fathom … | head`): time to stop,
  /// quietly.
  static final class ClosedPipe extends RuntimeException {
    private static final long serialVersionUID = 1;

    ClosedPipe(IOException cause) {
      super(cause);
    }
  }

  /// Throws at the first failure; drops what is still written after it, so that one failure is told
  /// once.
  private static final class Loud extends OutputStream {
    private final OutputStream stream;
    private final String name;
    private boolean failed;

    Loud(OutputStream stream, String name) {
      this.stream = stream;
      this.name = name;
    }

    @Override
    public void write(int b) {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) {
      if (failed) return;
      try {
        stream.write(bytes, offset, length);
      } catch (IOException e) {
        throw failure(e);
      }
    }

    @Override
    public void flush() {
      if (failed) return;
      try {
        stream.flush();
      } catch (IOException e) {
        throw failure(e);
      }
    }

    private RuntimeException failure(IOException e) {
      failed = true;
      var message = String.valueOf(e.getMessage());
      // "Broken pipe" on Linux and macOS, "The pipe is being closed" on Windows.
      if (message.contains("ipe")) return new ClosedPipe(e);
      return new FathomException("Cannot write to " + name + ": " + message, e);
    }
  }
}
