package dev.fathom.view;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// One part of a [Report].
///
/// @param id a short name, unique in the report: letters, digits and hyphens
/// @param title heading
/// @param explanation how to read the pictures, a few sentences; may be empty
/// @param views the pictures
/// @param arrays the arrays behind them by name; may be empty
public record Section(
    String id,
    String title,
    String explanation,
    List<View> views,
    SequencedMap<String, Grid> arrays) {
  public Section {
    views = List.copyOf(views);
    arrays = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(arrays));
    if (!id.matches("[A-Za-z0-9][A-Za-z0-9-]{0,63}")) {
      throw new IllegalArgumentException(
          "a section's id is letters, digits and hyphens, found '" + id + "'");
    }
  }

  /// A section without arrays.
  public static Section of(String id, String title, String explanation, List<View> views) {
    return new Section(id, title, explanation, views, new LinkedHashMap<>());
  }

  /// The section of one result, named by its method.
  public static Section of(String title, String explanation, Result result) {
    return new Section(result.method(), title, explanation, result.views(), result.arrays());
  }
}
