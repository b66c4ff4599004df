package dev.fathom.render;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;

class PaletteTest {
  private static final List<Theme> THEMES = List.of(Theme.LIGHT, Theme.DARK);

  @Test
  void textCanBeReadOnEveryColour() {
    for (Theme theme : THEMES) {
      for (String name : Paint.ramp()) {
        Rgb ground = Paint.color(theme, name);
        assertThat(ground.contrast(Paint.color(theme, "on-" + name)))
            .as("%s %s", theme, name)
            .isGreaterThanOrEqualTo(4.5);
      }
      for (String ground : List.of("card", "ground")) {
        for (String text : List.of("ink", "soft")) {
          assertThat(Paint.color(theme, ground).contrast(Paint.color(theme, text)))
              .isGreaterThanOrEqualTo(4.5);
        }
        for (int g = 0; g < 7; g++) {
          assertThat(Paint.color(theme, ground).contrast(Paint.color(theme, "g" + g)))
              .as("%s g%d on %s", theme, g, ground)
              .isGreaterThanOrEqualTo(3);
        }
      }
    }
  }

  @Test
  void textCanBeReadOnTerminalsOf256Colours() {
    for (int i = 0; i <= 100; i++) {
      Rgb shown = Palette.fixed(i / 100.0);
      assertThat(Rgb.ofAnsi256(shown.ansi256())).isEqualTo(shown);
      assertThat(shown.luminance())
          .isGreaterThanOrEqualTo(Palette.fixed(Math.max(0, i - 1) / 100.0).luminance());
      assertThat(shown.contrast(shown.ink())).isGreaterThanOrEqualTo(4.5);
    }
  }

  @Test
  void lightnessAloneOrdersEveryRamp() {
    for (Theme theme : THEMES) {
      int sign = theme == Theme.LIGHT ? -1 : 1;
      for (int i = 1; i <= Palette.STEPS; i++) {
        double t = (double) i / Palette.STEPS;
        double before = (double) (i - 1) / Palette.STEPS;
        assertThat(sign * Palette.sequential(theme, t).luminance())
            .isGreaterThan(sign * Palette.sequential(theme, before).luminance());
        for (int side : new int[] {-1, 1}) {
          assertThat(sign * Palette.diverging(theme, side * t).luminance())
              .isGreaterThan(sign * Palette.diverging(theme, side * before).luminance());
        }
      }
    }
  }

  @Test
  void bothSidesOfADivergingRampAreAboutAsDarkAsFarOut() {
    for (Theme theme : THEMES) {
      assertThat(Palette.diverging(theme, 1).luminance())
          .isCloseTo(Palette.diverging(theme, -1).luminance(), within(0.12));
    }
  }

  @Test
  void fixedColoursOfATerminalComeBackAsThemselves() {
    for (int i = 16; i < 256; i++) {
      Rgb color = Rgb.ofAnsi256(i);
      assertThat(Rgb.ofAnsi256(color.ansi256())).isEqualTo(color);
    }
    assertThat(new Rgb(1, 128, 255).hex()).isEqualTo("#0180ff");
    assertThat(Rgb.oklch(1, 0, 0)).isEqualTo(Rgb.WHITE);
    assertThat(Rgb.BLACK.contrast(Rgb.WHITE)).isCloseTo(21, within(1e-9));
  }
}
