package dev.fathom.data;

import java.util.Optional;

/// A text and what it is an example of.
///
/// @param text not blank
/// @param label its class, not blank
/// @param group what it shares with other texts (a term, a template, a source), so that no two of a
///   group are on both sides of a split
/// @param word a part of the text that is meant, as it is written there
public record LabelledText(
    String text, String label, Optional<String> group, Optional<String> word) {
  public LabelledText {
    if (text.isBlank() || label.isBlank()) {
      throw new IllegalArgumentException(
          "a labelled text needs a text and a label, found '%s' with '%s'".formatted(text, label));
    }
    if (word.isPresent() && !text.contains(word.get())) {
      throw new IllegalArgumentException(
          "the word '%s' does not occur in '%s'".formatted(word.get(), text));
    }
  }

  public static LabelledText of(String text, String label) {
    return new LabelledText(text, label, Optional.empty(), Optional.empty());
  }

  /// The same as one of a group.
  public LabelledText in(String group) {
    return new LabelledText(text, label, Optional.of(group), word);
  }

  /// The same with the part that is meant.
  public LabelledText at(String word) {
    return new LabelledText(text, label, group, Optional.of(word));
  }
}
