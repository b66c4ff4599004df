package dev.fathom.evaluate;

import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/// A setting that has another value in each of two runs: what a difference may come from.
public record DifferentSetting(String name, String first, String second) {

  /// All of them, in the order of the first run, then of the second.
  public static List<DifferentSetting> between(
      SequencedMap<String, String> first, SequencedMap<String, String> second) {
    var names = new LinkedHashSet<>(first.keySet());
    names.addAll(second.keySet());
    return names.stream()
        .map(name -> new DifferentSetting(name, value(first, name), value(second, name)))
        .filter(setting -> !setting.first.equals(setting.second))
        .toList();
  }

  private static String value(Map<String, String> settings, String name) {
    return settings.getOrDefault(name, "nothing");
  }

  /// For people.
  public static View table(List<DifferentSetting> settings) {
    return new View.Table(
        "What differs between the runs",
        "",
        List.of("setting", "first", "second"),
        settings.stream()
            .map(s -> List.of(Cell.of(s.name), Cell.of(s.first), Cell.of(s.second)))
            .toList());
  }
}
