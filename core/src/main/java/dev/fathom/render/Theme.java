package dev.fathom.render;

/// What a picture stands on.
public enum Theme {
  /// Dark on white.
  LIGHT,
  /// Light on near-black.
  DARK,
  /// Whichever the viewer prefers, by a style sheet; for browsers.
  AUTO
}
