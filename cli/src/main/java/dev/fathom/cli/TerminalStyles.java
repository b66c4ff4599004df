package dev.fathom.cli;

import dev.fathom.render.TerminalStyle;

/// How pictures are drawn on the console at hand.
final class TerminalStyles {
  private TerminalStyles() {}

  static TerminalStyle of(Console console) {
    return TerminalStyle.of(console.environment(), console.color()).withWidth(console.width());
  }
}
