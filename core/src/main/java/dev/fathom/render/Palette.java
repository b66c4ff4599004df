package dev.fathom.render;

import dev.fathom.view.Scale;
import java.util.List;

/// The colours of all pictures. Lightness alone orders every ramp, so they survive any colour
/// blindness and grey print; the diverging ramp runs from orange over neutral to blue.
final class Palette {
  /// Steps of a sequential ramp, and of either side of a diverging one, where colours are named
  /// rather than computed (style sheets).
  static final int STEPS = 24;

  /// The dark sequential ramp in the fixed colours of a 256-colour terminal, about as light at each
  /// step. Chosen by hand: the nearest of so few are grey at one end and pink at the other, as if
  /// there were two scales.
  private static final int[] FIXED = {17, 18, 24, 25, 31, 37, 79, 115, 187, 230};

  private Palette() {}

  /// From the background's own lightness to its opposite; `t` is 0 to 1.
  static Rgb sequential(Theme theme, double t) {
    return switch (theme) {
      case LIGHT, AUTO ->
          Rgb.oklch(0.97 - 0.64 * t, 0.13 * Math.sin(Math.PI * (0.04 + 0.76 * t)), 222 + 40 * t);
      case DARK ->
          Rgb.oklch(
              0.26 + 0.67 * t,
              0.03 + 0.12 * Math.sin(Math.PI * Math.min(1, 0.1 + 0.85 * t)),
              268 - 165 * t * t);
    };
  }

  /// [#sequential] on the dark ground of a terminal of 256 colours.
  static Rgb fixed(double t) {
    return Rgb.ofAnsi256(FIXED[(int) Math.round(Math.clamp(t, 0, 1) * (FIXED.length - 1))]);
  }

  /// Orange below 0, neutral at 0, blue above; `t` is -1 to 1.
  static Rgb diverging(Theme theme, double t) {
    double away = Math.abs(t);
    double hue = t < 0 ? 50 : 255;
    double chroma = 0.16 * Math.pow(away, 0.8);
    return switch (theme) {
      case LIGHT, AUTO -> Rgb.oklch(0.965 - 0.52 * away, chroma, hue);
      case DARK -> Rgb.oklch(0.27 + 0.52 * away, chroma, hue);
    };
  }

  /// The style-sheet name of a value's colour on a fitted scale: `q0`…, `n24`… `d0` … `p24`, or
  /// `na`.
  static String step(Scale fitted, double value) {
    double position = fitted.position(value);
    if (Double.isNaN(position)) {
      return "na";
    }
    long step = Math.round(Math.abs(position) * STEPS);
    if (fitted.kind() != Scale.Kind.DIVERGING) {
      return "q" + step;
    }
    return step == 0 ? "d0" : (position < 0 ? "n" : "p") + step;
  }

  /// Colours that tell groups apart (after Okabe and Ito 2008, which colour-blind readers can
  /// distinguish); groups beyond these repeat them.
  static List<Rgb> groups(Theme theme) {
    return switch (theme) {
      case LIGHT, AUTO ->
          List.of(
              new Rgb(0, 98, 163),
              new Rgb(196, 82, 0),
              new Rgb(0, 128, 95),
              new Rgb(176, 80, 136),
              new Rgb(148, 112, 0),
              new Rgb(36, 134, 184),
              new Rgb(90, 90, 98));
      case DARK ->
          List.of(
              new Rgb(92, 172, 238),
              new Rgb(255, 152, 72),
              new Rgb(64, 200, 160),
              new Rgb(226, 142, 190),
              new Rgb(232, 204, 80),
              new Rgb(130, 206, 240),
              new Rgb(184, 184, 192));
    };
  }
}
