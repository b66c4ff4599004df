package dev.fathom.view;

import java.util.List;
import java.util.SequencedMap;

/// What a method found. Implementations are records of strings, numbers and [Grid]s.
public interface Result {
  /// The method's name as on the command line: `lens`, `ablate`.
  String method();

  Provenance provenance();

  /// The pictures of this result, most telling first.
  List<View> views();

  /// The arrays of this result by the names they are saved under.
  SequencedMap<String, Grid> arrays();
}
