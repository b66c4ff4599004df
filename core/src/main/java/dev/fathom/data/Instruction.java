package dev.fathom.data;

/// A task in words and how it is answered: what instruction tuning learns from and reasoning tests
/// ask.
///
/// @param instruction the task, word for word as the data has it, not blank
/// @param input what the task is about, where that stands apart; usually empty
/// @param output the whole response: what training learns; empty where there is none. In test files
///   it is often another model's, and wrong
/// @param answer the bare answer that a test looks for: a number, a letter, a word; empty where
///   there is none
public record Instruction(String instruction, String input, String output, String answer) {
  public Instruction {
    if (instruction.isBlank()) {
      throw new IllegalArgumentException("an instruction is blank");
    }
  }

  /// One to learn from.
  public static Instruction of(String instruction, String output) {
    return new Instruction(instruction, "", output, "");
  }
}
