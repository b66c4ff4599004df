package dev.fathom.render;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Locale;

/// Numbers for people: three significant digits, the same in every locale.
final class Numbers {
  private static final MathContext THREE = new MathContext(3, RoundingMode.HALF_EVEN);

  private Numbers() {}

  /// `0.702`, `12.8`, `49152`, `1.23e-5`, `n/a` for NaN, `inf`.
  static String format(double value) {
    if (Double.isNaN(value)) {
      return "n/a";
    }
    if (Double.isInfinite(value)) {
      return value > 0 ? "inf" : "-inf";
    }
    double size = Math.abs(value);
    if (value == Math.rint(value) && size < 1e7) {
      return Long.toString((long) value);
    }
    if (size >= 1e5 || size < 1e-3) {
      return scientific(value, 2);
    }
    if (size >= 100) {
      return Long.toString(Math.round(value));
    }
    return BigDecimal.valueOf(value).round(THREE).stripTrailingZeros().toPlainString();
  }

  /// The value in at most `width` characters, with as many digits as fit up to three; `#` if even
  /// its size does not fit.
  static String fit(double value, int width) {
    String full = format(value);
    if (full.length() <= width) {
      return full;
    }
    for (int digits = 3; digits >= 0; digits--) {
      String shorter = String.format(Locale.ROOT, "%." + digits + "f", value);
      if (shorter.length() <= width) {
        return shorter;
      }
    }
    String power = scientific(value, 0);
    return power.length() <= width ? power : "#".repeat(Math.min(1, width));
  }

  /// The value with as many decimals as tell a hundredth of `range` apart, so that numbers of one
  /// picture align; in at most `width` characters.
  static String fixed(double value, double range, int width) {
    int decimals = (int) Math.ceil(2 - Math.log10(range));
    if (!Double.isFinite(value) || decimals > 6) {
      return fit(value, width);
    }
    String text = String.format(Locale.ROOT, "%." + Math.max(0, decimals) + "f", value);
    if (text.matches("-[0.]+")) {
      text = text.substring(1);
    }
    return text.length() <= width ? text : fit(value, width);
  }

  private static String scientific(double value, int digits) {
    String text = String.format(Locale.ROOT, "%." + digits + "e", value);
    return text.replaceFirst("e([+-])0*(\\d)", "e$1$2").replace("e+", "e");
  }

  /// Bytes with a binary unit: `1.2 GiB`.
  static String bytes(long bytes) {
    String[] units = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = bytes;
    int unit = 0;
    while (value >= 1024 && unit < units.length - 1) {
      value /= 1024;
      unit++;
    }
    return String.format(Locale.ROOT, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
  }
}
