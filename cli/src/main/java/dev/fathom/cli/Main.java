package dev.fathom.cli;

import dev.fathom.FathomException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/// The entry point of the `fathom` command, and the one place where failures become exit codes.
///
/// | code | meaning |
/// |---|---|
/// | 0 | done |
/// | 1 | failed: a file, a device, memory, the network, or a check that did not hold |
/// | 2 | misused: an unknown verb or option, or a request that makes no sense |
/// | 130 | stopped by Ctrl-C |
/// | 141 | the program reading standard output has gone |
///
/// A failure is told in one sentence. `--stacktrace`, or `FATHOM_DEBUG` in the environment, adds
/// where it came from.
public final class Main {
  static final int DONE = 0;
  static final int FAILED = 1;
  static final int MISUSED = 2;
  static final int INTERRUPTED = 130;
  static final int CLOSED_PIPE = 141;

  private static final Pattern LINE_BREAK = Pattern.compile("\\R");

  private Main() {}

  public static void main(String[] args) {
    Locale.setDefault(Locale.ROOT); // numbers look the same everywhere: programs read them too
    System.exit(run(args, Console.system()));
  }

  /// Runs one command line and returns its exit code; never throws.
  static int run(String[] args, Console console) {
    var options = Arrays.stream(args).takeWhile(arg -> !arg.equals("--")).toList();
    var seen = options.contains("--no-color") ? console.withoutColor() : console;
    boolean stackTrace =
        options.contains("--stacktrace") || seen.variable("FATHOM_DEBUG").isPresent();
    var failures = new Failures(seen, stackTrace);
    return failures.guard(
        "fathom",
        () -> {
          int code = parseAndRun(args, seen, failures);
          seen.out().flush();
          return code;
        });
  }

  private static int parseAndRun(String[] args, Console console, Failures failures) {
    var line = Commands.tree(console);
    line.setOut(console.out());
    line.setErr(console.err());
    line.setColorScheme(CommandLine.Help.defaultColorScheme(console.color() ? Ansi.ON : Ansi.OFF));
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.setParameterExceptionHandler((e, _) -> failures.misuse(e));
    line.setExecutionExceptionHandler((e, command, _) ->
        failures.guard(command.getCommandSpec().qualifiedName(), () -> rethrow(e)));
    return args.length == 0 ? line.execute("--help") : line.execute(args);
  }

  private static int rethrow(Exception e) throws Exception {
    throw e;
  }

  @FunctionalInterface
  private interface Work {
    int run() throws Exception;
  }

  /// Turns what went wrong into one sentence on standard error and an exit code.
  private record Failures(Console console, boolean stackTrace) {

    int guard(String command, Work work) {
      try {
        return work.run();
      } catch (Console.ClosedPipe e) {
        return CLOSED_PIPE;
      } catch (InterruptedException e) {
        return INTERRUPTED;
      } catch (ParameterException e) {
        return misuse(e);
      } catch (IllegalArgumentException e) {
        return say(e, MISUSED, command, sentence(e), "try " + command + " --help");
      } catch (FathomException e) {
        return say(e, FAILED, command, sentence(e));
      } catch (IOException e) {
        return say(e, FAILED, command, file(e));
      } catch (UncheckedIOException e) {
        return say(e, FAILED, command, file(Objects.requireNonNull(e.getCause())));
      } catch (OutOfMemoryError e) {
        return say(
            e,
            FAILED,
            command,
            "Out of memory in the Java heap: try a shorter input, or FATHOM_JAVA_OPTS=-Xmx8g for"
                + " more.");
      } catch (Exception | LinkageError | StackOverflowError | AssertionError e) {
        return say(
            e,
            FAILED,
            command,
            "This is a bug in Fathom: " + e + ".",
            stackTrace ? null : "--stacktrace shows where; please report it.");
      }
    }

    /// One sentence for a command line that cannot be understood, and what was probably meant.
    int misuse(ParameterException e) {
      var command = e.getCommandLine().getCommandSpec().qualifiedName();
      if (e.getCause() instanceof IllegalArgumentException cause
          && !(cause instanceof NumberFormatException)) {
        return say(e, MISUSED, command, sentence(cause), "try " + command + " --help");
      }
      if (!(e instanceof UnmatchedArgumentException unmatched)) {
        return say(e, MISUSED, command, sentence(e), "try " + command + " --help");
      }
      return say(
          e,
          MISUSED,
          command,
          notUnderstood(unmatched),
          meant(unmatched),
          "try " + command + " --help");
    }

    private static String notUnderstood(UnmatchedArgumentException e) {
      if (e.isUnknownOption()) return sentence(e);
      boolean verb = e.getCommandLine().getParent() == null;
      return (verb ? "There is no verb " : "Too many arguments: ")
          + e.getUnmatched().stream().map("'%s'"::formatted).collect(Collectors.joining(", "))
          + ".";
    }

    private static @Nullable String meant(UnmatchedArgumentException e) {
      List<String> suggestions = e.getSuggestions();
      if (suggestions.isEmpty()) return null;
      return "did you mean " + suggestions.getFirst() + "?"; // the others are far from it
    }

    private int say(Throwable e, int code, String command, @Nullable String... lines) {
      try {
        console.out().flush(); // what was printed before belongs above the error
      } catch (Console.ClosedPipe | FathomException _) {
        // The error being told matters more.
      }
      try {
        tell(console.err(), e, command, lines);
      } catch (Console.ClosedPipe | FathomException _) {
        // Nobody is listening; the exit code still tells.
      }
      return code;
    }

    private void tell(PrintWriter err, Throwable e, String command, @Nullable String... lines) {
      var lead = command + ": ";
      for (var line : lines) {
        if (line == null) continue;
        err.println(lead + line);
        lead = "  ";
      }
      if (stackTrace) e.printStackTrace(err);
      err.flush();
    }

    /// The exception's message, its further lines indented below the first.
    private static String sentence(Throwable e) {
      var message = e.getMessage();
      if (message == null || message.isBlank()) return e.toString();
      return LINE_BREAK.matcher(message.strip()).replaceAll("\n  ");
    }

    private static String file(IOException e) {
      return switch (e) {
        case NoSuchFileException missing -> "There is no file " + missing.getFile() + ".";
        case AccessDeniedException denied -> "No permission for " + denied.getFile() + ".";
        default -> sentence(e);
      };
    }
  }
}
