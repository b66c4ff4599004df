package dev.fathom.explain;

import dev.fathom.data.Prompt;
import dev.fathom.model.Transformer;
import dev.fathom.text.TokenDisplay;
import dev.fathom.text.Tokenizer;
import java.util.List;
import java.util.stream.IntStream;

/// What people call the tokens of a prompt and the outputs of a model.
public record Names(Transformer model, Tokenizer tokenizer) {
  /// The tokens of a prompt, whitespace made visible.
  public List<String> tokens(Prompt prompt) {
    return IntStream.of(prompt.ids()).mapToObj(id -> TokenDisplay.of(tokenizer, id)).toList();
  }

  /// What a question about logits asks for, as text.
  ///
  /// @throws IllegalArgumentException if its metric is not a logit or a difference of two
  public String measured(Question question) {
    return switch (question.metric()) {
      case LOGIT -> "logit of '%s'".formatted(output(question.target()));
      case LOGIT_DIFFERENCE ->
          "logit of '%s' less that of '%s'"
              .formatted(output(question.target()), output(question.foil().orElseThrow()));
      case LOG_PROB, PROBABILITY, KL ->
          throw new IllegalArgumentException(
              "Only logits are sums of their parts, %s is not: choose the metric logit or logitdiff."
                  .formatted(question.metric().text()));
    };
  }

  /// A column of the logits: a class of a classifier, else a token.
  public String output(int index) {
    List<String> labels = model.card().labels();
    return labels.isEmpty() ? TokenDisplay.of(tokenizer, index) : labels.get(index);
  }
}
