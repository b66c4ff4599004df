package dev.fathom.render;

import java.util.Locale;
import java.util.Map;

/// What a terminal can show.
///
/// @param width columns, at least 20
/// @param color which colours it understands
/// @param unicode whether it shows more than ASCII; if not, other characters become `?`
public record TerminalStyle(int width, Color color, boolean unicode) {

  /// Which colours a terminal understands.
  public enum Color {
    /// 16 million.
    TRUECOLOR,
    /// The 256 of xterm.
    ANSI256,
    /// None, and no other escape sequence either.
    NONE
  }

  public TerminalStyle {
    width = Math.clamp(width, 20, 1000);
  }

  /// Plain text of 80 columns, as for a file.
  public static TerminalStyle plain() {
    return new TerminalStyle(80, Color.NONE, true);
  }

  public TerminalStyle withWidth(int width) {
    return new TerminalStyle(width, color, unicode);
  }

  /// The style that environment variables ask for: `NO_COLOR` (no-color.org), `CLICOLOR_FORCE`,
  /// `TERM`, `COLORTERM`, `COLUMNS`, and the locale's character set.
  ///
  /// @param environment such as [System#getenv()]
  /// @param terminal whether the output goes to a terminal rather than to a file or pipe
  public static TerminalStyle of(Map<String, String> environment, boolean terminal) {
    return new TerminalStyle(
        width(environment), color(environment, terminal), unicode(environment));
  }

  private static Color color(Map<String, String> environment, boolean terminal) {
    String force = environment.getOrDefault("CLICOLOR_FORCE", "");
    boolean forced = !force.isEmpty() && !force.equals("0");
    String term = environment.getOrDefault("TERM", "");
    if (!environment.getOrDefault("NO_COLOR", "").isEmpty()
        || (!forced && (!terminal || term.equals("dumb")))) {
      return Color.NONE;
    }
    String colorTerm = environment.getOrDefault("COLORTERM", "").toLowerCase(Locale.ROOT);
    boolean direct =
        colorTerm.contains("truecolor")
            || colorTerm.contains("24bit")
            || term.endsWith("-direct")
            || environment.containsKey("WT_SESSION");
    return direct ? Color.TRUECOLOR : Color.ANSI256;
  }

  private static int width(Map<String, String> environment) {
    String columns = environment.getOrDefault("COLUMNS", "");
    return columns.matches("[1-9][0-9]{0,4}") ? Integer.parseInt(columns) : 80;
  }

  private static boolean unicode(Map<String, String> environment) {
    for (String name : new String[] {"LC_ALL", "LC_CTYPE", "LANG"}) {
      String locale = environment.getOrDefault(name, "").toLowerCase(Locale.ROOT);
      if (!locale.isEmpty()) {
        return locale.contains("utf-8") || locale.contains("utf8");
      }
    }
    return true;
  }
}
