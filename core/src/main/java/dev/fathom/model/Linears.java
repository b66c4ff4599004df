package dev.fathom.model;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/// All linear maps of a transformer: what edits change and adapters attach to.
public final class Linears {
  private Linears() {}

  /// The maps in the order of the forward pass, the head's last.
  public static List<Linear> of(Transformer model) {
    var found = new ArrayList<Linear>();
    UnaryOperator<Linear> collect =
        linear -> {
          found.add(linear);
          return linear;
        };
    model.blocks().forEach(block -> replaced(block, collect));
    replaced(model.head(), collect);
    return found;
  }

  /// The same transformer with other maps; it shares everything else with `model`, which must
  /// outlive it.
  ///
  /// @param card of the new model
  /// @param change the map to use instead of each, or the map itself
  /// @param owned closed with the new model: what was made for it
  public static Transformer replaced(
      Transformer model, Transformer.Card card, UnaryOperator<Linear> change, AutoCloseable owned) {
    List<Block> blocks = model.blocks().stream().map(block -> replaced(block, change)).toList();
    return new Transformer(card, model.embedding(), blocks, replaced(model.head(), change), owned);
  }

  private static Block replaced(Block block, UnaryOperator<Linear> change) {
    Attention attention = replaced(block.attention(), change);
    Mlp mlp = replaced(block.mlp(), change);
    return switch (block) {
      case SequentialBlock b ->
          new SequentialBlock(b.norm1(), attention, b.norm2(), mlp, b.multiplier());
      case ParallelBlock b -> new ParallelBlock(b.norm1(), attention, b.norm2(), mlp);
      case SandwichBlock b ->
          new SandwichBlock(b.norm1(), attention, b.post1(), b.norm2(), mlp, b.post2());
      case PostNormBlock b -> new PostNormBlock(attention, b.norm1(), mlp, b.norm2());
    };
  }

  private static Attention replaced(Attention a, UnaryOperator<Linear> change) {
    Attention.Projections projections =
        switch (a.projections()) {
          case Attention.Projections.Separate(Linear q, Linear k, Linear v) ->
              new Attention.Projections.Separate(change.apply(q), change.apply(k), change.apply(v));
          case Attention.Projections.Fused(Linear qkv, int groups) ->
              new Attention.Projections.Fused(change.apply(qkv), groups);
        };
    return new Attention(
        a.heads(),
        a.kvHeads(),
        a.width(),
        projections,
        a.norms(),
        a.rotary(),
        a.alibi(),
        a.window(),
        a.softCap(),
        a.scale(),
        a.causal(),
        change.apply(a.out()));
  }

  private static Mlp replaced(Mlp mlp, UnaryOperator<Linear> change) {
    return switch (mlp) {
      case Mlp.Plain(Linear in, Activation activation, Linear out) ->
          new Mlp.Plain(change.apply(in), activation, change.apply(out));
      case Mlp.Gated(Linear gate, Linear up, Activation activation, Linear out) ->
          new Mlp.Gated(change.apply(gate), change.apply(up), activation, change.apply(out));
    };
  }

  private static Head replaced(Head head, UnaryOperator<Linear> change) {
    return switch (head) {
      case Head.Unembedding h ->
          new Head.Unembedding(h.norm(), change.apply(h.out()), h.scale(), h.softCap());
      case Head.MaskedLm h ->
          new Head.MaskedLm(
              change.apply(h.transform()), h.activation(), h.norm(), change.apply(h.out()));
      case Head.Classifier h ->
          new Head.Classifier(change.apply(h.pooler()), change.apply(h.out()));
    };
  }
}
