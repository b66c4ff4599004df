package dev.fathom.cli;

import java.io.BufferedReader;
import java.io.PrintWriter;
import java.io.Reader;
import java.io.Writer;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/// Does a little of what people usually do, and prints nothing. The launcher runs it once with
/// `-XX:AOTCacheOutput`: the classes that it loads are the ones that later starts find ready.
@Command(
    name = "warm-up",
    hidden = true,
    description = "Exercises common paths, so that later starts are faster.",
    footer = {"", "Examples:", "  fathom warm-up"})
final class WarmUpCommand implements Callable<Integer> {
  private static final List<List<String>> COMMON =
      List.of(
          List.of("--help"),
          List.of("--version"),
          List.of("help", "doctor"),
          List.of("no-such-verb"),
          List.of("doctor"),
          List.of("explain", "The Eiffel Tower is located in the city of"));

  @Override
  public Integer call() {
    for (boolean color : new boolean[] {true, false}) {
      var nowhere =
          new Console(
              new BufferedReader(Reader.nullReader()),
              new PrintWriter(Writer.nullWriter()),
              new PrintWriter(Writer.nullWriter()),
              Map.of(),
              color,
              false,
              color,
              Console.DEFAULT_WIDTH);
      for (var line : COMMON) Main.run(line.toArray(String[]::new), nowhere);
    }
    return Main.DONE;
  }
}
