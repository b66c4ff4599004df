package dev.fathom.data;

import dev.fathom.FathomException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A file of instructions: a JSON array of objects, or one object a line. Each has `instruction`,
/// and of `input`, `output` and `answer` what its use needs; numbers may stand for texts, and other
/// fields are left alone.
///
/// The layout of MAWPS is read too: `original_text`, `ans`, and `equation`, of which a short chain
/// is made for the output, `(22 - 14) / 4 = 2. The answer is 2.`; the answer alone where the
/// equation is not solved for `x` or comes to something else.
public final class InstructionFile {
  /// What the instructions are read for, and so which field they cannot do without.
  private enum Use {
    TRAINING("output"),
    TESTING("answer");

    private final String needed;

    Use(String needed) {
      this.needed = needed;
    }
  }

  /// Instructions to learn from.
  ///
  /// @param items each with an output
  /// @param silent those whose output is empty, as a few are in published files: there is nothing
  ///   to learn from them but to say nothing
  public record Training(List<Instruction> items, List<Instruction> silent) {
    public Training {
      items = List.copyOf(items);
      silent = List.copyOf(silent);
    }
  }

  private final Path file;
  private final Use use;
  private final List<Instruction> found = new ArrayList<>();

  private InstructionFile(Path file, Use use) {
    this.file = file;
    this.use = use;
  }

  /// Instructions to learn from: each has an output; those whose output is empty are left out. The
  /// answer may be missing.
  ///
  /// @throws FathomException naming the file and the element or line that is not understood, or if
  ///   there is no output to learn from
  public static List<Instruction> forTraining(Path file) {
    return training(file).items();
  }

  /// As [#forTraining], with those that are left out.
  public static Training training(Path file) {
    List<Instruction> all = new InstructionFile(file, Use.TRAINING).read();
    var training =
        new Training(
            all.stream().filter(i -> !i.output().isBlank()).toList(),
            all.stream().filter(i -> i.output().isBlank()).toList());
    if (training.items.isEmpty()) {
      throw new FathomException(file + ": every output in it is empty.");
    }
    return training;
  }

  /// Instructions to be tested with: each has an answer. The output may be missing.
  ///
  /// @throws FathomException naming the file and the element or line that is not understood
  public static List<Instruction> forTesting(Path file) {
    return new InstructionFile(file, Use.TESTING).read();
  }

  private List<Instruction> read() {
    JsonItem.forEach(file, "instructions", item -> found.add(instruction(item)));
    return List.copyOf(found);
  }

  private Instruction instruction(JsonItem item) {
    if (item.object().has("original_text")) {
      return mawps(item);
    }
    Optional<String> needed = item.text(use.needed);
    if (needed.isEmpty() || (use == Use.TESTING && needed.get().isBlank())) {
      throw item.malformed("it has no \"%s\"".formatted(use.needed));
    }
    return plain(item);
  }

  private static Instruction plain(JsonItem item) {
    return new Instruction(
        task(item, "instruction"),
        item.text("input").orElse(""),
        item.text("output").orElse(""),
        item.text("answer").orElse(""));
  }

  private static Instruction mawps(JsonItem item) {
    String answer = item.text("ans").orElseThrow(() -> item.malformed("it has no \"ans\""));
    try {
      String number = Equation.plain(answer);
      double value = Double.parseDouble(answer);
      String chain =
          item.text("equation")
              .flatMap(Equation::of)
              .filter(e -> Math.abs(e.value() - value) <= 1e-6 * Math.max(1, Math.abs(value)))
              .map(e -> e.text() + " = " + number + ". ")
              .filter(text -> !text.startsWith(number + " =")) // x = 4 explains nothing
              .orElse("");
      String output = chain + "The answer is " + number + ".";
      return new Instruction(task(item, "original_text"), "", output, answer);
    } catch (NumberFormatException e) {
      throw item.malformed("its ans should be a number, found \"%s\"".formatted(answer));
    }
  }

  private static String task(JsonItem item, String name) {
    String task =
        item.text(name).orElseThrow(() -> item.malformed("it has no \"%s\"".formatted(name)));
    if (task.isBlank()) {
      throw item.malformed("its %s is empty".formatted(name));
    }
    return task;
  }
}
