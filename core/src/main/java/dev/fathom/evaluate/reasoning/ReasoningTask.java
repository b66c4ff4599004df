package dev.fathom.evaluate.reasoning;

import dev.fathom.FathomException;
import dev.fathom.data.Instruction;
import dev.fathom.data.InstructionFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/// A test of reasoning.
///
/// @param name as on the command line, such as `arc-e`
/// @param title as in papers, such as `ARC-e`
/// @param folder of its files within the folder of all data
/// @param kind what its answers look like
/// @param maxTokens most tokens of a response
/// @param items how many the whole test has; 0 where that is not known
public record ReasoningTask(
    String name, String title, String folder, AnswerKind kind, int maxTokens, int items) {
  private static final int ARITHMETIC_TOKENS = 256;

  /// The sets of LLM-Adapters that Luo & Specia 2024 (arXiv 2410.13077) use.
  public static final List<ReasoningTask> ALL =
      List.of(
          arithmetic("addsub", "AddSub", "AddSub", AnswerKind.NUMBER, 395),
          arithmetic("aqua", "AQuA", "AQuA", AnswerKind.LETTER, 254),
          arithmetic("gsm8k", "GSM8K", "gsm8k", AnswerKind.NUMBER, 1319),
          arithmetic("mawps", "MAWPS", "mawps", AnswerKind.NUMBER, 238),
          arithmetic("multiarith", "MultiArith", "MultiArith", AnswerKind.NUMBER, 600),
          arithmetic("singleeq", "SingleEq", "SingleEq", AnswerKind.NUMBER, 508),
          arithmetic("svamp", "SVAMP", "SVAMP", AnswerKind.NUMBER, 1000),
          commonsense("arc-e", "ARC-e", "ARC-Easy", AnswerKind.CHOICE, 2376),
          commonsense("arc-c", "ARC-c", "ARC-Challenge", AnswerKind.CHOICE, 1172),
          commonsense("boolq", "BoolQ", "boolq", AnswerKind.TRUTH, 3270),
          commonsense("obqa", "OBQA", "openbookqa", AnswerKind.CHOICE, 500));

  private static ReasoningTask arithmetic(
      String name, String title, String folder, AnswerKind kind, int items) {
    return new ReasoningTask(name, title, folder, kind, ARITHMETIC_TOKENS, items);
  }

  private static ReasoningTask commonsense(
      String name, String title, String folder, AnswerKind kind, int items) {
    return new ReasoningTask(name, title, folder, kind, 32, items);
  }

  /// The task of this name.
  ///
  /// @throws IllegalArgumentException if there is none
  public static ReasoningTask named(String name) {
    return ALL.stream()
        .filter(task -> task.name.equals(name))
        .findFirst()
        .orElseThrow(() ->
            new IllegalArgumentException(
                "There is no task %s: choose from %s."
                    .formatted(
                        name,
                        ALL.stream().map(ReasoningTask::name).collect(Collectors.joining(", ")))));
  }

  /// Whether it asks for calculations; otherwise it asks for commonsense.
  public boolean arithmetic() {
    return maxTokens == ARITHMETIC_TOKENS;
  }

  /// Its file of test items.
  public Path file(Path data) {
    return data.resolve(folder).resolve("test.json");
  }

  /// Its test items.
  ///
  /// @param data the folder of all data
  /// @throws FathomException if they cannot be read, or an answer is not of the task's kind
  public TestSet read(Path data) {
    Path file = file(data);
    if (!Files.exists(file)) {
      throw new FathomException(
          "%s: there is no such file; the folder of all data should hold %s/test.json for %s."
              .formatted(file, folder, title));
    }
    List<Instruction> instructions = InstructionFile.forTesting(file);
    var items = new ArrayList<TestSet.Item>();
    for (Instruction instruction : instructions) {
      int number = items.size() + 1;
      if (!kind.allows(instruction.answer())) {
        throw new FathomException(
            "%s, item %d: \"%s\" is no answer of %s; is this another task's file?"
                .formatted(file, number, instruction.answer(), title));
      }
      items.add(new TestSet.Item(number, instruction));
    }
    return new TestSet(this, items, items.size());
  }
}
