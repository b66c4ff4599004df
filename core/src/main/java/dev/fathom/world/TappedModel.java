package dev.fathom.world;

import dev.fathom.model.LanguageModel;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Tensor;

/// A model of which a tap changes something whenever it reads.
record TappedModel(Transformer model, Tap tap) implements LanguageModel {
  @Override
  public Transformer.Card card() {
    return model.card();
  }

  @Override
  public int outputs() {
    return model.outputs();
  }

  @Override
  public Tensor logits(Tensor ids, Layout layout, Wanted wanted) {
    return model.forward(ids, Pass.over(layout).with(tap).with(wanted));
  }

  @Override
  public Session session(int rows, Tap other) {
    return model.session(rows, tap.then(other));
  }
}
