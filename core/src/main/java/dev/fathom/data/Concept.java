package dev.fathom.data;

import java.util.List;
import java.util.Optional;

/// Something a text may be about, and texts that are.
///
/// @param name one or a few words
/// @param group what it is a kind of, if that is told
/// @param stimuli at least two different texts: one would be read as the concept itself
public record Concept(String name, Optional<String> group, List<String> stimuli) {
  public Concept {
    stimuli = List.copyOf(stimuli);
    if (name.isBlank()) {
      throw new IllegalArgumentException("a concept has a name");
    }
    if (stimuli.stream().distinct().count() < 2) {
      throw new IllegalArgumentException(
          "the concept '%s' has %s: give at least two different ones"
              .formatted(name, stimuli.isEmpty() ? "no stimulus" : "one stimulus"));
    }
    if (stimuli.stream().anyMatch(String::isBlank)) {
      throw new IllegalArgumentException("the concept '%s' has an empty stimulus".formatted(name));
    }
  }

  /// One of no group.
  public static Concept of(String name, List<String> stimuli) {
    return new Concept(name, Optional.empty(), stimuli);
  }
}
