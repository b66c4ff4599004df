package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.render.TerminalStyle;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class MainTest {
  private static final Pattern ESCAPE = Pattern.compile("\u001b\\[");

  @ParameterizedTest
  @ValueSource(strings = {"--help", "-h", "help", ""})
  void helpListsTheVerbsByGroup(String arg) {
    var terminal = FakeTerminal.piped();
    int code = arg.isEmpty() ? terminal.run() : terminal.run(arg);
    assertThat(code).isZero();
    assertThat(terminal.out())
        .startsWith("Usage: fathom VERB [OPTION...]")
        .containsSubsequence("This machine:", "doctor", "Everywhere:", "--no-color", "Examples:")
        .doesNotContain("warm-up");
    assertThat(terminal.out().lines())
        .allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80));
    assertThat(terminal.err()).isEmpty();
  }

  static Stream<String> verbs() {
    return Commands.tree(FakeTerminal.piped().console()).getSubcommands().keySet().stream();
  }

  @ParameterizedTest
  @MethodSource("verbs")
  void everyVerbExplainsItselfInEightyColumnsWithAnExample(String verb) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run(verb, "--help")).isZero();
    assertThat(terminal.out()).contains("Examples:", "  fathom " + verb);
    assertThat(terminal.out().lines())
        .allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80));
    var asked = FakeTerminal.piped();
    assertThat(asked.run("help", verb)).isZero();
    assertThat(asked.out()).isEqualTo(terminal.out());
  }

  @Test
  void theReadmeHasEveryVerb() throws IOException {
    Path readme = Path.of(System.getProperty("basedir", "."), "..", "README.md").normalize();
    String rows = Files.readString(readme);
    assertThat(Commands.tree(FakeTerminal.piped().console()).getSubcommands().entrySet())
        .filteredOn(verb -> !verb.getValue().getCommandSpec().usageMessage().hidden())
        .allSatisfy(verb -> assertThat(rows).contains("\n| `" + verb.getKey() + "` |"));
  }

  @Test
  void theVersionIsTheOneOfTheBuild() {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run("--version")).isZero();
    assertThat(terminal.out()).matches("fathom \\d+\\.\\d+\\.\\d+(-SNAPSHOT)? \\(Java 25.*\\)\\R");
  }

  @Test
  void aMisspeltVerbIsMisuseAndTheRightOneIsNamed() {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run("docter")).isEqualTo(2);
    assertThat(terminal.err().lines())
        .hasSize(3)
        .startsWith("fathom: There is no verb 'docter'.")
        .endsWith("  try fathom --help")
        .anyMatch(line -> line.startsWith("  did you mean doctor"));
    assertThat(terminal.out()).isEmpty();
  }

  @Test
  void aMisspeltOptionIsMisuseAndTheRightOneIsNamed() {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run("doctor", "--jsn", "x")).isEqualTo(2);
    assertThat(terminal.err())
        .startsWith("fathom doctor: Unknown option")
        .contains("did you mean --json?", "try fathom doctor --help");
  }

  @Test
  void tooManyArgumentsAreMisuse() {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run("doctor", "a", "b")).isEqualTo(2);
    assertThat(terminal.err()).startsWith("fathom doctor: Too many arguments: 'a', 'b'.");
  }

  @Test
  void aFailureIsOneSentenceWithoutAStackTrace() {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run("doctor", "--json", "no/such/folder/x.json")).isEqualTo(1);
    assertThat(terminal.err())
        .startsWith("fathom doctor: Cannot write")
        .contains("its folder does not exist")
        .hasLineCount(1);
  }

  @Test
  void aStackTraceIsShownWhenAskedFor() {
    var byOption = FakeTerminal.piped();
    assertThat(byOption.run("doctor", "--stacktrace", "--json", "no/such/folder/x.json"))
        .isEqualTo(1);
    assertThat(byOption.err()).contains("at dev.fathom.cli.");
    var byVariable = FakeTerminal.pipedWith(Map.of("FATHOM_DEBUG", "1"), "");
    assertThat(byVariable.run("doctor", "--json", "no/such/folder/x.json")).isEqualTo(1);
    assertThat(byVariable.err()).contains("at dev.fathom.cli.");
  }

  @Test
  void colourIsForTerminalsThatWantIt() {
    assertThat(coloured(FakeTerminal.watched(Map.of("TERM", "xterm")), "--help")).isTrue();
    assertThat(coloured(FakeTerminal.watched(Map.of("TERM", "xterm")), "--help", "--no-color"))
        .isFalse();
    assertThat(coloured(FakeTerminal.watched(Map.of("TERM", "xterm", "NO_COLOR", "1")), "--help"))
        .isFalse();
    assertThat(coloured(FakeTerminal.watched(Map.of("TERM", "dumb")), "--help")).isFalse();
    assertThat(coloured(FakeTerminal.piped(), "--help")).isFalse();
  }

  @Test
  void theOptionAgainstColourIsStrongerThanTheEnvironment() {
    Console forced = FakeTerminal.pipedWith(Map.of("CLICOLOR_FORCE", "1"), "").console();
    assertThat(TerminalStyles.of(forced).color()).isEqualTo(TerminalStyle.Color.ANSI256);
    assertThat(TerminalStyles.of(forced.withoutColor()).color())
        .isEqualTo(TerminalStyle.Color.NONE);
  }

  private static boolean coloured(FakeTerminal terminal, String... args) {
    assertThat(terminal.run(args)).isZero();
    return ESCAPE.matcher(terminal.out()).find();
  }

  @Test
  void aReaderThatLeavesIsNoError() {
    var err = new StringWriter();
    assertThat(Main.run(new String[] {"completion", "bash"}, failing("Broken pipe", err)))
        .isEqualTo(141);
    assertThat(err.toString()).isEmpty();
  }

  @Test
  void aFullDiskIsToldOnce() {
    var err = new StringWriter();
    assertThat(Main.run(new String[] {"doctor"}, failing("No space left on device", err)))
        .isEqualTo(1);
    assertThat(err.toString())
        .contains("Cannot write to standard output: No space left on device")
        .hasLineCount(1);
  }

  private static Console failing(String message, StringWriter err) {
    var stream =
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            throw new IOException(message);
          }
        };
    return new Console(
        new BufferedReader(new StringReader("")),
        Console.writer(stream, "standard output"),
        new PrintWriter(err),
        Map.of(),
        false,
        false,
        false,
        80);
  }

  @ParameterizedTest
  @ValueSource(strings = {"bash", "zsh"})
  void completionKnowsEveryVerb(String shell) {
    var terminal = FakeTerminal.piped();
    assertThat(terminal.run("completion", shell)).isZero();
    assertThat(terminal.out()).contains("complete -F _complete_fathom", "doctor", "--json");
  }

  @Test
  void theTreeParsesEveryVerbAlone() {
    var tree = Commands.tree(FakeTerminal.piped().console());
    assertThat(tree.getSubcommands().values())
        .extracting(CommandLine::getCommandName)
        .contains("doctor", "completion", "help", "warm-up");
  }
}
