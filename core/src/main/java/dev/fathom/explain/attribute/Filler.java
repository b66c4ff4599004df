package dev.fathom.explain.attribute;

import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.util.Arrays;
import java.util.Locale;
import java.util.OptionalInt;

/// What stands in for a token that is taken away. None is neutral: a zero vector is one the model
/// has never read, a mean embedding belongs to no token, and a padding token may never have been
/// trained.
public enum Filler {
  /// The zero vector in the place of the token's embedding.
  ZERO("zero", "a zero vector"),
  /// The mean of all token embeddings.
  MEAN("mean", "the mean embedding"),
  /// The padding token.
  PAD("pad", "the padding token"),
  /// The end-of-text token.
  EOS("eos", "the end token"),
  /// The mask token of a masked model.
  MASK("mask", "the mask token"),
  /// Nothing: the tokens after it close up.
  DROP("drop", "nothing"),
  /// The token that another prompt of the same length has there, so that the scores say what makes
  /// this answer and not that prompt's.
  OTHER("other", "the other prompt's token");

  private final String text;
  private final String title;

  Filler(String text, String title) {
    this.text = text;
    this.title = title;
  }

  /// The name on the command line.
  public String text() {
    return text;
  }

  /// What it is, for sentences.
  public String title() {
    return title;
  }

  /// @throws IllegalArgumentException if there is no such filler
  public static Filler named(String text) {
    return Arrays.stream(values())
        .filter(filler -> filler.text.equals(text.toLowerCase(Locale.ROOT)))
        .findFirst()
        .orElseThrow(() ->
            new IllegalArgumentException(
                "Nothing called '%s' can stand in for a token: choose one of %s."
                    .formatted(
                        text,
                        String.join(", ", Arrays.stream(values()).map(Filler::text).toList()))));
  }

  /// The vector as it stands at [dev.fathom.model.Kind#EMBED], `[dModel]`, in the model's type.
  ///
  /// @throws IllegalArgumentException if the tokenizer has no such token, or there is no vector
  Tensor vector(Transformer model, Tokenizer tokenizer) {
    DType dtype = model.card().dtype();
    Tensor table = model.embedding().table();
    try (var scope = Scope.withoutGradients()) {
      Tensor row =
          switch (this) {
            case ZERO -> Tensor.zeros(dtype, model.dModel());
            case MEAN -> table.mean(0, false);
            case PAD -> table.select(0, id(tokenizer.specials().pad()));
            case EOS -> table.select(0, id(tokenizer.specials().eos()));
            case MASK -> table.select(0, id(tokenizer.specials().mask()));
            case DROP ->
                throw new IllegalArgumentException(
                    "Dropping a token leaves no vector in its place: choose zero, mean, pad, eos or"
                        + " mask; drop is for occlusion.");
            case OTHER ->
                throw new IllegalArgumentException(
                    "The other prompt's tokens can stand in only where another prompt is given.");
          };
      return scope.escape(row.mul(model.embedding().scale()).to(dtype));
    }
  }

  private int id(OptionalInt id) {
    return id.orElseThrow(() ->
        new IllegalArgumentException(
            "This model's tokenizer has no %s token: choose mean or zero.".formatted(text)));
  }
}
