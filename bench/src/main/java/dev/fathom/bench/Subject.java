package dev.fathom.bench;

import dev.fathom.data.Prompt;
import dev.fathom.model.Layout;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.util.Optional;
import java.util.Random;

/// What the benchmarks work on.
///
/// @param prompt the text whose next token is known
/// @param answer the token that comes next, as text
/// @param answerId its id
/// @param sentences the sentences to score; empty where there are none
record Subject(
    Transformer model,
    Tokenizer tokenizer,
    Prompt prompt,
    String answer,
    int answerId,
    Optional<Sentences> sentences) {
  private static final String PROMPT = "The Eiffel Tower is located in the city of";
  private static final String ANSWER = " Paris";

  /// The lowest ids are control tokens in most vocabularies.
  private static final int FIRST_ORDINARY_ID = 5;

  static Subject of(Transformer model, Tokenizer tokenizer, Optional<Sentences> sentences) {
    return new Subject(
        model,
        tokenizer,
        Prompt.of(tokenizer, PROMPT, Prompt.Options.PLAIN),
        ANSWER,
        tokenizer.encode(ANSWER).id(0),
        sentences);
  }

  /// The prompt's ids, `[tokens]`.
  Tensor promptIds() {
    return Tensor.of(prompt.ids(), prompt.length());
  }

  /// Random ids, the same at every call with the same seed, `[layout.tokens()]`.
  Tensor randomIds(Layout layout, long seed) {
    int[] ids =
        new Random(seed).ints(layout.tokens(), FIRST_ORDINARY_ID, model.outputs()).toArray();
    return Tensor.of(ids, ids.length);
  }

  /// Fails unless `id` is the answer.
  void requireAnswer(Task task, long id) {
    if (id != answerId) {
      throw new IllegalStateException(
          "%s: expected the model to go on '%s' after '%s', found '%s'; use a model that knows"
              .formatted(task, answer, prompt.text(), tokenizer.display((int) id)));
    }
  }
}
