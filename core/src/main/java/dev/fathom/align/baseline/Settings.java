package dev.fathom.align.baseline;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.SequencedMap;

/// What methods were set to, by name.
final class Settings {
  private Settings() {}

  /// @param namesAndValues a name, its value, the next name …
  static SequencedMap<String, String> of(Object... namesAndValues) {
    var settings = new LinkedHashMap<String, String>();
    for (int i = 0; i < namesAndValues.length; i += 2) {
      settings.put(namesAndValues[i].toString(), text(namesAndValues[i + 1]));
    }
    return Collections.unmodifiableSequencedMap(settings);
  }

  /// Whole numbers without a fraction, names of constants in lower case.
  private static String text(Object value) {
    return switch (value) {
      case Double number when number == Math.rint(number) && Math.abs(number) < 1e9 ->
          Long.toString(number.longValue());
      case Enum<?> constant -> constant.name().toLowerCase(Locale.ROOT);
      default -> value.toString();
    };
  }
}
