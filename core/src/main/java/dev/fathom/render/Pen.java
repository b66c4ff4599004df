package dev.fathom.render;

import dev.fathom.view.Scale;

/// Writes lines to a terminal of one style. Text must be [Legible] before it gets here; the pen
/// adds escape sequences and, for a terminal without Unicode, turns what remains into ASCII of
/// equal width.
final class Pen {
  private static final String FROM = "…·–—−␣“”‘’→×≥≤⟨⟩⏎";
  private static final String TO = "~.---_\"\"''>x><<>/";

  private final TerminalStyle style;
  private final StringBuilder out = new StringBuilder();

  Pen(TerminalStyle style) {
    this.style = style;
  }

  TerminalStyle style() {
    return style;
  }

  int width() {
    return style.width();
  }

  boolean colored() {
    return style.color() != TerminalStyle.Color.NONE;
  }

  /// One of two spellings: the first where Unicode is shown.
  String either(String unicode, String ascii) {
    return style.unicode() ? unicode : ascii;
  }

  String bold(String text) {
    return escape("1", text);
  }

  String faint(String text) {
    return escape("2", text);
  }

  /// Text in a colour.
  String in(Rgb color, String text) {
    return escape("38;" + code(color), text);
  }

  /// The ground for a value on a fitted scale; the value must not be NaN.
  Rgb ground(Scale scale, double value) {
    return ground(scale.kind(), scale.position(value));
  }

  /// The ground for a position on a scale of some kind.
  Rgb ground(Scale.Kind kind, double position) {
    if (kind == Scale.Kind.DIVERGING) {
      return Palette.diverging(Theme.DARK, position);
    }
    return style.color() == TerminalStyle.Color.ANSI256
        ? Palette.fixed(position)
        : Palette.sequential(Theme.DARK, position);
  }

  /// Text on a coloured ground, in black or white, whichever can be read on it.
  String on(Rgb ground, String text) {
    Rgb shown =
        style.color() == TerminalStyle.Color.ANSI256 ? Rgb.ofAnsi256(ground.ansi256()) : ground;
    return escape("38;" + code(shown.ink()) + ";48;" + code(ground), text);
  }

  private String code(Rgb color) {
    return style.color() == TerminalStyle.Color.TRUECOLOR
        ? "2;%d;%d;%d".formatted(color.red(), color.green(), color.blue())
        : "5;" + color.ansi256();
  }

  private String escape(String codes, String text) {
    return colored() && !text.isEmpty() ? "\033[" + codes + "m" + text + "\033[0m" : text;
  }

  /// Ends a line with this text; what stands too far right is the caller's business.
  Pen line(String text) {
    int end = out.length() + text.length();
    out.append(text);
    while (end > 0 && out.length() == end && out.charAt(end - 1) == ' ') {
      out.setLength(--end);
    }
    out.append('\n');
    return this;
  }

  Pen blank() {
    return line("");
  }

  /// Words in as many lines as they need, each after `indent`.
  Pen words(String text, String indent) {
    for (String line : Legible.wrap(Legible.of(text), width() - indent.length())) {
      line(indent + line);
    }
    return this;
  }

  /// Words as [#words], but faint: what explains a picture rather than belongs to it.
  Pen aside(String text) {
    for (String line : Legible.wrap(Legible.of(text), width())) {
      line(faint(line));
    }
    return this;
  }

  /// All that was written.
  String text() {
    if (style.unicode()) {
      return out.toString();
    }
    var ascii = new StringBuilder(out.length());
    for (String cluster : Legible.clusters(out.toString())) {
      int known = cluster.length() == 1 ? FROM.indexOf(cluster.charAt(0)) : -1;
      if (known >= 0) {
        ascii.append(TO.charAt(known));
      } else if (cluster.chars().allMatch(c -> c < 0x80)) {
        ascii.append(cluster);
      } else {
        ascii.append("?".repeat(Legible.width(cluster)));
      }
    }
    return ascii.toString();
  }
}
