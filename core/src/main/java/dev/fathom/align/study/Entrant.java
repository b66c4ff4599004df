package dev.fathom.align.study;

import dev.fathom.align.Method;
import java.util.List;
import java.util.stream.IntStream;

/// A method in a comparison, with the settings it may be tried with.
///
/// @param name in tables and file names
/// @param settings at least one; as many for one entrant as for another, or the comparison favours
///   who has more
public record Entrant(String name, List<Method> settings) {
  /// What the others are compared with: nothing done.
  public static final String BASE = "base";

  public Entrant {
    settings = List.copyOf(settings);
    if (settings.isEmpty()) {
      throw new IllegalArgumentException(name + " needs at least one setting");
    }
    if (!name.matches("[a-zA-Z0-9-]+") || name.equals(BASE)) {
      throw new IllegalArgumentException(
          "an entrant is named with letters, digits and hyphens, and not '%s'; found '%s'"
              .formatted(BASE, name));
    }
  }

  /// The same with so many of its settings at most, evenly from its list, the first among them.
  public Entrant withAtMost(int count) {
    if (count < 1) {
      throw new IllegalArgumentException("at least 1 setting is tried, found " + count);
    }
    int kept = Math.min(count, settings.size());
    return new Entrant(
        name,
        IntStream.range(0, kept).mapToObj(i -> settings.get(i * settings.size() / kept)).toList());
  }
}
