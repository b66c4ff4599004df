package dev.fathom.model;

import java.util.List;

/// A text that a model continued.
///
/// @param prompt ids that were given
/// @param tokens ids that were generated, the one that stopped it included
/// @param text what was generated, cut before a stop text; empty without a tokenizer
public record Generation(List<Integer> prompt, List<Integer> tokens, String text, Stop stop) {
  /// Why it ends where it ends.
  public enum Stop {
    /// A token that ends a text.
    STOP_TOKEN,
    /// A string that ends a text.
    STOP_TEXT,
    /// As many tokens as were asked for.
    MAX_TOKENS,
    /// Prompt and text together fill the model's context.
    CONTEXT
  }

  public Generation {
    prompt = List.copyOf(prompt);
    tokens = List.copyOf(tokens);
  }
}
