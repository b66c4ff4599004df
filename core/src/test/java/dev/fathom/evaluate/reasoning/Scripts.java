package dev.fathom.evaluate.reasoning;

import dev.fathom.data.Instruction;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;

/// Small tests, and models that say what a test wants.
final class Scripts {
  static final Tokenizer TOKENIZER = tokenizer();
  static final int END = TOKENIZER.id("<|endoftext|>").orElseThrow();
  static final ReasoningTask SUMS =
      new ReasoningTask("sums", "Sums", "sums", AnswerKind.NUMBER, 40, 0);
  static final ReasoningTask LETTERS =
      new ReasoningTask("letters", "Letters", "letters", AnswerKind.LETTER, 40, 3);

  private Scripts() {}

  private static Tokenizer tokenizer() {
    try {
      return Tokenizers.load(
          Path.of(
              Objects.requireNonNull(
                      Scripts.class.getResource(
                          "/fixtures/tokenizers/byte_bpe_gpt2/tokenizer.json"))
                  .toURI()));
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  static TestSet test(ReasoningTask task, String... questionsAndAnswers) {
    return new TestSet(
        task,
        IntStream.range(0, questionsAndAnswers.length / 2)
            .mapToObj(i ->
                new TestSet.Item(
                    i + 1,
                    new Instruction(
                        questionsAndAnswers[2 * i], "", "", questionsAndAnswers[2 * i + 1])))
            .toList(),
        questionsAndAnswers.length / 2);
  }

  /// Says what the map has for the question in the prompt.
  static ScriptedModel saying(int context, Map<String, String> responses) {
    return new ScriptedModel(
        TOKENIZER,
        END,
        context,
        "### Response:\n",
        prompt ->
            responses.entrySet().stream()
                .filter(entry -> prompt.contains("\n" + entry.getKey() + "\n"))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse(""));
  }
}
