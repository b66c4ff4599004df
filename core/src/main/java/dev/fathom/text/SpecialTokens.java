package dev.fathom.text;

/// Which special tokens an encoding gets.
public enum SpecialTokens {
  /// Exactly what the tokenizer's own files say (BOS, EOS, CLS, SEP, or nothing).
  AS_CONFIGURED,
  /// None are added. Special tokens written out in the text are still recognised.
  NONE
}
