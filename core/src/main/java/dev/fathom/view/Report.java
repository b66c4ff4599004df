package dev.fathom.view;

import java.util.HashSet;
import java.util.List;

/// Several results on one page.
///
/// @param title what was examined: usually the prompt
/// @param subtitle one line under it: model, target
/// @param summary what was found, in plain words: a list of sentences, or one paragraph
/// @param sections the parts, in reading order
/// @param provenance where the numbers come from
public record Report(
    String title,
    String subtitle,
    List<String> summary,
    List<Section> sections,
    Provenance provenance) {
  public Report {
    summary = List.copyOf(summary);
    sections = List.copyOf(sections);
    var ids = new HashSet<String>();
    for (Section section : sections) {
      if (!ids.add(section.id())) {
        throw new IllegalArgumentException("two sections have the id '" + section.id() + "'");
      }
    }
  }
}
