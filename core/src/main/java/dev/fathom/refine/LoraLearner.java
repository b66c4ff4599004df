package dev.fathom.refine;

import dev.fathom.edit.Change;
import dev.fathom.evaluate.PackedRows;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.train.AdamW;
import dev.fathom.train.Ascent;
import dev.fathom.train.Parameters;
import dev.fathom.train.Tape;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;

/// Low-rank steps ([Lora]) that are learnt from whatever gradient of the last stream somebody works
/// out: for losses that compare several texts, where [Refiner] knows only the next token's. Nothing
/// drops out while they are learnt, whatever [Lora#dropout()] says.
///
/// ```java
/// try (var learner = LoraLearner.of(model, lora, seed)) {
///   learner.step(rows, stream -> gradientOf(stream), rate);
///   Edit edit = Edit.of(model, "mine", learner.changes());
/// }
/// ```
public final class LoraLearner implements AutoCloseable {
  private final Transformer model;
  private final Lora lora;
  private final Parameters parameters;
  private final AdamW adam;
  private long steps;

  private LoraLearner(Transformer model, Lora lora, Parameters parameters) {
    this.model = model;
    this.lora = lora;
    this.parameters = parameters;
    this.adam = new AdamW(parameters, new AdamW.Config(0.9, 0.999, 1e-8, 0));
  }

  /// Steps that change nothing yet, for a model that stays as it is.
  ///
  /// @param seed of the first values
  public static LoraLearner of(Transformer model, Lora lora, long seed) {
    DType dtype = model.card().dtype() == DType.F64 ? DType.F64 : DType.F32;
    Parameters parameters = Parameters.zeros(Lora.shapes(model, List.of(lora)), dtype);
    try (var scope = Scope.withoutGradients()) {
      Lora.initialize(model, List.of(lora), parameters, new SplittableRandom(seed));
    }
    return new LoraLearner(model, lora, parameters);
  }

  /// One step of Adam (no decay) down the gradient of a loss.
  ///
  /// @param rows of tokens, read in one pass
  /// @param loss from the last block's stream, `[tokens, dModel]` for all tokens of the pass, to
  ///   the loss's gradient with respect to it
  /// @param rate the learning rate
  public void step(PackedRows rows, UnaryOperator<Tensor> loss, double rate) {
    try (var scope = Scope.withGradients();
        var tape = new Tape()) {
      Tensor gradient = Tensor.zeros(parameters.dtype(), parameters.elements());
      Transformer adapted =
          AdaptedMaps.of(model, List.of(lora), parameters.leaves(gradient), tape, null);
      Ascent ascent =
          Ascent.of(
              adapted,
              rows.ids(),
              rows::pass,
              new Ascent.Route(lora.from(), model.layers(), model.layers(), false),
              tape);
      ascent.descend(Map.of(model.layers(), loss.apply(ascent.row(model.layers()))));
      adam.step(gradient, ++steps, rate);
    }
  }

  /// What is learnt so far, as changes of an edit.
  public List<Change> changes() {
    try (var scope = Scope.withoutGradients()) {
      return Lora.changes(model, List.of(lora), parameters.tensors());
    }
  }

  @Override
  public void close() {
    adam.close();
    parameters.close();
  }
}
