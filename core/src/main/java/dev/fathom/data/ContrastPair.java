package dev.fathom.data;

/// Two texts that differ in what is meant, and in as little else as possible.
///
/// @param positive the text that has it, not blank
/// @param negative the text that has it not, not blank
public record ContrastPair(String positive, String negative) {
  public ContrastPair {
    if (positive.isBlank() || negative.isBlank()) {
      throw new IllegalArgumentException(
          "a pair needs two texts, found '%s' and '%s'".formatted(positive, negative));
    }
  }
}
