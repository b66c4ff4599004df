package dev.fathom.world;

import java.util.List;

/// A text and the word in it that a check asks for.
///
/// @param prompt what stands before the answer, without trailing space
/// @param answer one word with its leading space
/// @param foils words that could stand there and would be wrong, or less likely, likewise
/// @param rest what follows the answer
public record Cloze(String prompt, String answer, List<String> foils, String rest) {
  public Cloze {
    foils = List.copyOf(foils);
  }

  /// The whole text.
  public String text() {
    return prompt + answer + rest;
  }
}
