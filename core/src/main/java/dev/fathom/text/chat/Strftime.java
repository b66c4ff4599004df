package dev.fathom.text.chat;

import java.time.Clock;
import java.time.LocalDateTime;
import java.time.format.TextStyle;
import java.time.temporal.WeekFields;
import java.util.Locale;

/// `datetime.now().strftime(format)` in English, for a time without a zone.
final class Strftime {
  private Strftime() {}

  static String format(String format, Clock clock) {
    var now = LocalDateTime.now(clock);
    var text = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        text.append(c);
        continue;
      }
      boolean plain = format.charAt(i + 1) == '-' && i + 2 < format.length();
      i += plain ? 2 : 1;
      text.append(field(format.charAt(i), plain, now));
    }
    return text.toString();
  }

  /// @param plain without leading zeros, as `%-d` asks for
  private static String field(char directive, boolean plain, LocalDateTime now) {
    return switch (directive) {
      case 'Y' -> Integer.toString(now.getYear());
      case 'y' -> number(now.getYear() % 100, 2, plain);
      case 'm' -> number(now.getMonthValue(), 2, plain);
      case 'd' -> number(now.getDayOfMonth(), 2, plain);
      case 'e' ->
          plain ? number(now.getDayOfMonth(), 1, true) : "%2d".formatted(now.getDayOfMonth());
      case 'H' -> number(now.getHour(), 2, plain);
      case 'I' -> number((now.getHour() + 11) % 12 + 1, 2, plain);
      case 'M' -> number(now.getMinute(), 2, plain);
      case 'S' -> number(now.getSecond(), 2, plain);
      case 'f' -> number(now.getNano() / 1000, 6, plain);
      case 'j' -> number(now.getDayOfYear(), 3, plain);
      case 'p' -> now.getHour() < 12 ? "AM" : "PM";
      case 'B' -> now.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
      case 'b', 'h' -> now.getMonth().getDisplayName(TextStyle.SHORT, Locale.ENGLISH);
      case 'A' -> now.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
      case 'a' -> now.getDayOfWeek().getDisplayName(TextStyle.SHORT, Locale.ENGLISH);
      case 'u' -> Integer.toString(now.getDayOfWeek().getValue());
      case 'w' -> Integer.toString(now.getDayOfWeek().getValue() % 7);
      case 'V' -> number(now.get(WeekFields.ISO.weekOfWeekBasedYear()), 2, plain);
      case 'G' -> Integer.toString(now.get(WeekFields.ISO.weekBasedYear()));
      case 'F' -> fields("Y-m-d", now);
      case 'D', 'x' -> fields("m/d/y", now);
      case 'T', 'X' -> fields("H:M:S", now);
      case 'R' -> fields("H:M", now);
      case 'c' -> fields("a b e H:M:S Y", now);
      case 'Z', 'z' -> "";
      case 'n' -> "\n";
      case 't' -> "\t";
      case '%' -> "%";
      default -> throw new Failure("strftime_now() does not know '%" + directive + "'");
    };
  }

  private static String fields(String directives, LocalDateTime now) {
    var text = new StringBuilder();
    for (int i = 0; i < directives.length(); i++) {
      char c = directives.charAt(i);
      text.append(Character.isLetter(c) ? field(c, false, now) : String.valueOf(c));
    }
    return text.toString();
  }

  private static String number(int value, int digits, boolean plain) {
    return plain ? Integer.toString(value) : ("%0" + digits + "d").formatted(value);
  }
}
