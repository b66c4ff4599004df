package dev.fathom.explain;

import dev.fathom.data.Prompt;
import dev.fathom.model.Transformer;
import dev.fathom.text.Tokenizer;
import java.util.Arrays;
import java.util.OptionalInt;

/// What is asked of a model: how strongly does it say `target`, rather than a foil, at one position
/// of a prompt?
///
/// @param target an output of the model: a token, or a class of a classifier
/// @param foil what it could say instead; [Metric#LOGIT_DIFFERENCE] needs one
/// @param position where the answer is read, from 0
/// @param metric the number that stands for "how strongly"
public record Question(Prompt prompt, int target, OptionalInt foil, int position, Metric metric) {
  public Question {
    if (position < 0 || position >= prompt.length()) {
      throw new IllegalArgumentException(
          "Position %d is not in the prompt, which has tokens 0 to %d."
              .formatted(position, prompt.length() - 1));
    }
    if (foil.isPresent() && foil.getAsInt() == target) {
      throw new IllegalArgumentException(
          "Target and foil are the same token, %d: a foil is what the model could say instead."
              .formatted(target));
    }
    if (metric == Metric.LOGIT_DIFFERENCE && foil.isEmpty()) {
      throw new IllegalArgumentException(
          "The metric logitdiff needs a foil, what the model could say instead of the target.");
    }
  }

  /// The target's logit after the last token.
  public static Question of(Prompt prompt, int target) {
    return new Question(prompt, target, OptionalInt.empty(), prompt.length() - 1, Metric.LOGIT);
  }

  public Question withFoil(int foil) {
    return new Question(prompt, target, OptionalInt.of(foil), position, metric);
  }

  public Question at(int position) {
    return new Question(prompt, target, foil, position, metric);
  }

  public Question measuredBy(Metric metric) {
    return new Question(prompt, target, foil, position, metric);
  }

  /// The same where only logits are sums of their parts: itself, or the difference to the foil, or
  /// without one the target's logit.
  public Question linear() {
    return switch (metric) {
      case LOGIT, LOGIT_DIFFERENCE -> this;
      case LOG_PROB, PROBABILITY, KL ->
          measuredBy(foil.isPresent() ? Metric.LOGIT_DIFFERENCE : Metric.LOGIT);
    };
  }

  /// The same about another prompt, read at the same position.
  public Question about(Prompt other) {
    return new Question(other, target, foil, position, metric);
  }

  /// The same after the target has been said: is `next` said then?
  public Question then(Tokenizer tokenizer, int next) {
    return new Question(
        prompt.then(tokenizer, target), next, OptionalInt.empty(), position + 1, metric);
  }

  /// The tokens that can matter: a causal model has not seen what stands behind the position.
  public int[] ids(Transformer model) {
    requireOutputs(model);
    int[] ids = prompt.ids();
    return model.card().causal() ? Arrays.copyOf(ids, position + 1) : ids;
  }

  private void requireOutputs(Transformer model) {
    for (int output : foil.isPresent() ? new int[] {target, foil.getAsInt()} : new int[] {target}) {
      if (output < 0 || output >= model.outputs()) {
        throw new IllegalArgumentException(
            "%d is not one of this model's %d outputs".formatted(output, model.outputs()));
      }
    }
  }
}
