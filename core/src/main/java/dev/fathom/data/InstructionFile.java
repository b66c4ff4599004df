package dev.fathom.data;

import dev.fathom.FathomException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectReader;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// A file of instructions: a JSON array of objects, or one object a line. Each has `instruction`,
/// and of `input`, `output` and `answer` what its use needs; numbers may stand for texts, and other
/// fields are left alone.
///
/// The layout of MAWPS is read too: `original_text`, `ans`, and `equation`, of which a short chain
/// is made for the output, `(22 - 14) / 4 = 2. The answer is 2.`; the answer alone where the
/// equation is not solved for `x` or comes to something else.
public final class InstructionFile {
  private static final long LARGEST_FILE = 1L << 30;
  private static final int LONGEST_TEXT = 1 << 20;
  private static final int LONGEST_LINE = 4 << 20;

  private static final JsonMapper JSON =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(64)
                          .maxStringLength(LONGEST_TEXT)
                          .build())
                  .build())
          .build();

  /// Reads one value and leaves what follows it.
  private static final ObjectReader ELEMENT =
      JSON.reader().without(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

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
    try {
      if (Files.exists(file) && Files.size(file) > LARGEST_FILE) {
        throw new FathomException(
            "%s: expected at most %d MiB of instructions, found %d MiB; split the file."
                .formatted(file, LARGEST_FILE >> 20, Files.size(file) >> 20));
      }
      try (var reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
        if (first(reader) == '[') {
          array(reader);
        } else {
          lines(reader);
        }
      }
    } catch (MalformedInputException e) {
      throw new FathomException(file + ": not UTF-8 text.", e);
    } catch (IOException e) {
      throw new FathomException(
          "%s cannot be read: %s"
              .formatted(file, Files.exists(file) ? e.getMessage() : "there is no such file."),
          e);
    }
    if (found.isEmpty()) {
      throw new FathomException(file + ": no instructions in it.");
    }
    return List.copyOf(found);
  }

  /// The first character that says something, which stays unread; a byte order mark says nothing.
  private static int first(BufferedReader reader) throws IOException {
    reader.mark(1);
    if (reader.read() != '\uFEFF') {
      reader.reset();
    }
    reader.mark(1 << 12);
    int c = reader.read();
    for (int i = 1; i < 1 << 12 && Character.isWhitespace(c); i++) {
      c = reader.read();
    }
    reader.reset();
    return c;
  }

  private void array(BufferedReader reader) throws IOException {
    String where = "element 1";
    try (JsonParser parser = JSON.createParser(reader)) {
      parser.nextToken(); // the bracket
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        where = "element " + (found.size() + 1);
        found.add(instruction(where, ELEMENT.readTree(parser)));
        where = "after element " + found.size();
      }
      if (parser.nextToken() != null) {
        throw malformed("after the array", "expected nothing more");
      }
    } catch (JacksonException e) {
      throw malformed(where, e);
    }
  }

  private void lines(BufferedReader reader) throws IOException {
    int number = 0;
    for (String line = next(reader); line != null; line = next(reader)) {
      String where = "line " + ++number;
      if (!line.isBlank()) {
        try {
          found.add(instruction(where, JSON.readTree(line)));
        } catch (JacksonException e) {
          throw malformed(where, e);
        }
      }
    }
  }

  /// A line without its end, refused as soon as it is too long.
  private @Nullable String next(BufferedReader reader) throws IOException {
    int c = reader.read();
    if (c < 0) {
      return null;
    }
    var line = new StringBuilder();
    for (; c >= 0 && c != '\n'; c = reader.read()) {
      if (line.length() == LONGEST_LINE) {
        throw new FathomException(
            ("%s: a line has more than %d characters; expected one JSON object a line, or one"
                    + " array of them.")
                .formatted(file, LONGEST_LINE));
      }
      line.append((char) c);
    }
    return line.toString();
  }

  private Instruction instruction(String where, JsonNode node) {
    if (!(node instanceof ObjectNode object)) {
      throw malformed(where, "expected a JSON object");
    }
    if (object.has("original_text")) {
      return mawps(where, object);
    }
    Optional<String> needed = text(where, object, use.needed);
    if (needed.isEmpty() || (use == Use.TESTING && needed.get().isBlank())) {
      throw malformed(where, "it has no \"%s\"".formatted(use.needed));
    }
    return plain(where, object);
  }

  private Instruction plain(String where, ObjectNode object) {
    return new Instruction(
        task(where, object, "instruction"),
        text(where, object, "input").orElse(""),
        text(where, object, "output").orElse(""),
        text(where, object, "answer").orElse(""));
  }

  private Instruction mawps(String where, ObjectNode object) {
    String answer =
        text(where, object, "ans").orElseThrow(() -> malformed(where, "it has no \"ans\""));
    try {
      String number = Equation.plain(answer);
      double value = Double.parseDouble(answer);
      String chain =
          text(where, object, "equation")
              .flatMap(Equation::of)
              .filter(e -> Math.abs(e.value() - value) <= 1e-6 * Math.max(1, Math.abs(value)))
              .map(e -> e.text() + " = " + number + ". ")
              .filter(text -> !text.startsWith(number + " =")) // x = 4 explains nothing
              .orElse("");
      String output = chain + "The answer is " + number + ".";
      return new Instruction(task(where, object, "original_text"), "", output, answer);
    } catch (NumberFormatException e) {
      throw malformed(where, "its ans should be a number, found \"%s\"".formatted(answer));
    }
  }

  private String task(String where, ObjectNode object, String name) {
    String task =
        text(where, object, name)
            .orElseThrow(() -> malformed(where, "it has no \"%s\"".formatted(name)));
    if (task.isBlank()) {
      throw malformed(where, "its %s is empty".formatted(name));
    }
    return task;
  }

  private Optional<String> text(String where, ObjectNode object, String name) {
    JsonNode value = object.path(name);
    if (value.isMissingNode() || value.isNull()) {
      return Optional.empty();
    }
    if (!value.isString() && !value.isNumber()) {
      throw malformed(where, "its %s should be a text".formatted(name));
    }
    return Optional.of(value.asString());
  }

  private FathomException malformed(String where, String reason) {
    return new FathomException("%s, %s: %s.".formatted(file, where, reason));
  }

  private FathomException malformed(String where, JacksonException e) {
    return new FathomException(
        "%s, %s: not JSON: %s".formatted(file, where, e.getOriginalMessage()), e);
  }
}
