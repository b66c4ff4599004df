package dev.fathom.cli;

import java.io.BufferedReader;
import java.io.PrintWriter;
import java.io.StringReader;
import java.io.StringWriter;
import java.util.Map;

/// A console over buffers, and what a command printed to it.
final class FakeTerminal {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();
  private final Console console;

  private FakeTerminal(boolean terminal, Map<String, String> environment, String input) {
    console =
        new Console(
            new BufferedReader(new StringReader(input)),
            new PrintWriter(out),
            new PrintWriter(err),
            environment,
            terminal,
            terminal,
            terminal && Console.allowsColor(environment),
            Console.DEFAULT_WIDTH);
  }

  /// Output goes to files or pipes.
  static FakeTerminal piped() {
    return new FakeTerminal(false, Map.of(), "");
  }

  static FakeTerminal pipedWith(Map<String, String> environment, String input) {
    return new FakeTerminal(false, environment, input);
  }

  /// A person watches.
  static FakeTerminal watched(Map<String, String> environment) {
    return new FakeTerminal(true, environment, "");
  }

  Console console() {
    return console;
  }

  /// Runs `fathom` with these arguments and returns its exit code.
  int run(String... args) {
    return Main.run(args, console);
  }

  String out() {
    console.out().flush();
    return out.toString();
  }

  String err() {
    console.err().flush();
    return err.toString();
  }
}
