package dev.fathom.render;

import java.util.ArrayList;
import java.util.List;

/// Colours by what they are for, so that one picture can be light, dark or either.
///
/// The names: `ink` (text), `soft` (lesser text), `hair` (lines), `ground` (the page), `card` (a
/// panel on it), `g0` … `g6` (groups), `q0` … `q24` (sequential), `n24` … `n1`, `d0`, `p1` … `p24`
/// (diverging), `na` (no value); and for text on any of the ramp's colours its name after `on-`.
final class Paint {
  private Paint() {}

  /// A colour as SVG wants it: a number, or for [Theme#AUTO] the variable of that name.
  static String of(Theme theme, String name) {
    return theme == Theme.AUTO ? "var(--" + name + ")" : color(theme, name).hex();
  }

  /// The variables of a theme as declarations of a style sheet.
  static String declarations(Theme theme) {
    var css = new StringBuilder();
    for (String name : names()) {
      css.append("--").append(name).append(':').append(color(theme, name).hex()).append(';');
    }
    return css.toString();
  }

  /// The names of the ramps' colours.
  static List<String> ramp() {
    var names = new ArrayList<String>();
    names.add("na");
    names.add("d0");
    names.add("q0");
    for (int i = 1; i <= Palette.STEPS; i++) {
      names.add("q" + i);
      names.add("n" + i);
      names.add("p" + i);
    }
    return names;
  }

  private static List<String> names() {
    var names = new ArrayList<>(List.of("ink", "soft", "hair", "ground", "card"));
    for (int g = 0; g < Palette.groups(Theme.LIGHT).size(); g++) {
      names.add("g" + g);
    }
    for (String name : ramp()) {
      names.add(name);
      names.add("on-" + name);
    }
    return names;
  }

  static Rgb color(Theme theme, String name) {
    boolean dark = theme == Theme.DARK;
    return switch (name) {
      case "ink" -> dark ? new Rgb(232, 234, 238) : new Rgb(28, 32, 40);
      case "soft" -> dark ? new Rgb(160, 167, 180) : new Rgb(92, 100, 114);
      case "hair" -> dark ? new Rgb(58, 64, 76) : new Rgb(216, 220, 228);
      case "ground" -> dark ? new Rgb(16, 18, 23) : new Rgb(246, 247, 249);
      case "card" -> dark ? new Rgb(24, 27, 34) : new Rgb(255, 255, 255);
      case "na" -> dark ? new Rgb(32, 36, 44) : new Rgb(240, 241, 244);
      default -> ramp(theme, name);
    };
  }

  private static Rgb ramp(Theme theme, String name) {
    if (name.startsWith("on-")) {
      String ground = name.substring(3);
      return ground.equals("na") ? color(theme, "soft") : color(theme, ground).ink();
    }
    int step = Integer.parseInt(name.substring(1));
    double t = (double) step / Palette.STEPS;
    return switch (name.charAt(0)) {
      case 'q' -> Palette.sequential(theme, t);
      case 'n' -> Palette.diverging(theme, -t);
      case 'd', 'p' -> Palette.diverging(theme, t);
      case 'g' -> Palette.groups(theme).get(step);
      default -> throw new IllegalArgumentException("no colour is called " + name);
    };
  }
}
