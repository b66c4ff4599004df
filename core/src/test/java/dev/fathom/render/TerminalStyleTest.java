package dev.fathom.render;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.render.TerminalStyle.Color;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TerminalStyleTest {
  private static Color color(boolean terminal, String... variables) {
    return style(terminal, variables).color();
  }

  private static TerminalStyle style(boolean terminal, String... variables) {
    var environment = new HashMap<String, String>();
    for (int i = 0; i < variables.length; i += 2) {
      environment.put(variables[i], variables[i + 1]);
    }
    return TerminalStyle.of(Map.copyOf(environment), terminal);
  }

  @Test
  void coloursFollowTheTerminal() {
    assertThat(color(true, "TERM", "xterm-256color")).isEqualTo(Color.ANSI256);
    assertThat(color(true, "TERM", "xterm", "COLORTERM", "truecolor")).isEqualTo(Color.TRUECOLOR);
    assertThat(color(true, "TERM", "xterm", "COLORTERM", "24bit")).isEqualTo(Color.TRUECOLOR);
    assertThat(color(true, "TERM", "dumb", "COLORTERM", "truecolor")).isEqualTo(Color.NONE);
  }

  @Test
  void filesAndPipesGetNoColourUnlessForced() {
    assertThat(color(false, "TERM", "xterm-256color")).isEqualTo(Color.NONE);
    assertThat(color(false, "CLICOLOR_FORCE", "1")).isEqualTo(Color.ANSI256);
    assertThat(color(false, "CLICOLOR_FORCE", "0")).isEqualTo(Color.NONE);
  }

  @Test
  void noColorWinsOverEverythingUnlessEmpty() {
    assertThat(color(true, "NO_COLOR", "1", "CLICOLOR_FORCE", "1", "COLORTERM", "truecolor"))
        .isEqualTo(Color.NONE);
    assertThat(color(true, "NO_COLOR", "", "TERM", "xterm")).isEqualTo(Color.ANSI256);
  }

  @Test
  void widthComesFromColumnsWithinReason() {
    assertThat(style(true, "COLUMNS", "132").width()).isEqualTo(132);
    assertThat(style(true).width()).isEqualTo(80);
    assertThat(style(true, "COLUMNS", "wide").width()).isEqualTo(80);
    assertThat(style(true, "COLUMNS", "0").width()).isEqualTo(80);
    assertThat(style(true, "COLUMNS", "99999").width()).isEqualTo(1000);
    assertThat(style(true, "COLUMNS", "3").width()).isEqualTo(20);
  }

  @Test
  void anAsciiLocaleTurnsUnicodeOff() {
    assertThat(style(true, "LANG", "C").unicode()).isFalse();
    assertThat(style(true, "LC_ALL", "POSIX", "LANG", "en_US.UTF-8").unicode()).isFalse();
    assertThat(style(true, "LANG", "en_US.UTF-8").unicode()).isTrue();
    assertThat(style(true, "LC_CTYPE", "C.utf8", "LANG", "C").unicode()).isTrue();
    assertThat(style(true).unicode()).isTrue();
  }
}
