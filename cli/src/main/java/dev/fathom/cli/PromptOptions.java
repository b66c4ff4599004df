package dev.fathom.cli;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Which text the model reads, and how text becomes tokens.
final class PromptOptions {
  @Parameters(
      arity = "0..1",
      paramLabel = "PROMPT",
      description = "The text to read; - takes it from standard input.")
  private @Nullable String prompt;

  @Option(
      names = "--prompts",
      paramLabel = "F.jsonl",
      description =
          "A file of prompts instead, one JSON object a line: id, prompt, target, foil, corrupt, subject.")
  private @Nullable Path prompts;

  @Option(
      names = "--chat",
      description = "Put the prompt through the model's chat template, as instruct models expect.")
  private boolean chat;

  @Option(
      names = "--system",
      paramLabel = "TEXT",
      description = "The system message of the chat template; implies --chat.")
  private @Nullable String system;

  @Option(
      names = "--bos",
      negatable = true,
      description =
          "Begin with the model's start token, or do not. Default: as its tokenizer does.")
  private @Nullable Boolean bos;

  @Option(
      names = "--position",
      paramLabel = "P",
      description = "Read at this token, from 0; -1 is the last one. Default: the last one.")
  private @Nullable Integer position;

  /// What to read: the text of PROMPT, or the file of `--prompts`.
  sealed interface Source {
    /// One text, never empty.
    record Text(String text) implements Source {}

    /// A file of prompts, one JSON object a line.
    record Lines(Path file) implements Source {}
  }

  /// The prompt or the file of prompts that the user gave; reads `console.in()` for `-`.
  ///
  /// @throws IllegalArgumentException if there is neither, both, or an empty prompt
  Source source(Console console) {
    if (prompts != null) {
      if (prompt != null) {
        throw new IllegalArgumentException("Give either PROMPT or --prompts, not both.");
      }
      return new Source.Lines(prompts);
    }
    if (prompt == null) {
      throw new IllegalArgumentException(
          "No prompt given: PROMPT is a text, or --prompts names a file.");
    }
    var text = prompt.equals("-") ? console.in().lines().collect(Collectors.joining("\n")) : prompt;
    if (text.isEmpty()) throw new IllegalArgumentException("The prompt is empty.");
    return new Source.Text(text);
  }

  /// Whether there is a prompt or a file of them.
  boolean given() {
    return prompt != null || prompts != null;
  }

  /// Whether the user gave a file of prompts.
  boolean givesFile() {
    return prompts != null;
  }

  /// Whether the prompt goes through the chat template.
  boolean chat() {
    return chat || system != null;
  }

  Optional<String> system() {
    return Optional.ofNullable(system);
  }

  /// Whether to begin with the start token; empty when the tokenizer decides.
  Optional<Boolean> bos() {
    return Optional.ofNullable(bos);
  }

  /// The token to read at, in the prompt's own tokens; negative counts from the end.
  OptionalInt position() {
    return position == null ? OptionalInt.empty() : OptionalInt.of(position);
  }
}
