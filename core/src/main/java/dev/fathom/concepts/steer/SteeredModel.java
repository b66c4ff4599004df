package dev.fathom.concepts.steer;

import dev.fathom.evaluate.Likelihood;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Tensor;
import java.util.List;
import java.util.stream.Collectors;

/// A model that is steered whenever it reads, at every token: it generates, and texts can be scored
/// with it. The model itself stays as it is, and must stay open.
///
/// To steer only what is generated, give a generator the tap: `Generator.of(model, tokenizer)
/// .with(Steering.tap(model, steerings, Tokens.GENERATED))`.
public final class SteeredModel implements LanguageModel, TokenScorer {
  private final Transformer model;
  private final Tap tap;
  private final Transformer.Card card;

  private SteeredModel(Transformer model, Tap tap, Transformer.Card card) {
    this.model = model;
    this.tap = tap;
    this.card = card;
  }

  /// @throws IllegalArgumentException if one of these cannot be done on the model
  public static SteeredModel of(Transformer model, List<? extends Steering> steerings) {
    Tap tap = Steering.tap(model, steerings, Steering.Tokens.ALL);
    Transformer.Card base = model.card();
    String done =
        steerings.stream()
            .filter(SteeringTap::acts)
            .map(Steering::summary)
            .collect(Collectors.joining(", "));
    var card =
        new Transformer.Card(
            base.family(),
            done.isEmpty() ? base.name() : base.name() + " + " + done,
            base.sha256(),
            base.context(),
            base.parameters(),
            base.dtype(),
            base.causal(),
            base.labels());
    return new SteeredModel(model, tap, card);
  }

  @Override
  public Transformer.Card card() {
    return card;
  }

  @Override
  public int outputs() {
    return model.outputs();
  }

  @Override
  public Tensor logits(Tensor ids, Layout layout, Wanted wanted) {
    return model.forward(ids, Pass.over(layout).with(tap).with(wanted));
  }

  /// The other tap sees what was steered.
  @Override
  public Session session(int rows, Tap other) {
    return model.session(rows, tap.then(other));
  }

  @Override
  public List<float[]> score(List<int[]> rows, Likelihood.Config config) {
    return Likelihood.of(model, rows, config, tap);
  }
}
