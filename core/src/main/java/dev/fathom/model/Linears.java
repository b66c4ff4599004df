package dev.fathom.model;

import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.UnaryOperator;

/// All linear maps of a transformer: what edits change and adapters attach to.
public final class Linears {
  private Linears() {}

  /// What a map of a block is for. Where one matrix holds queries, keys and values in turn, it is
  /// [#QKV]; an MLP without a gate has [#UP] and [#DOWN].
  public enum Role {
    Q,
    K,
    V,
    QKV,
    O,
    GATE,
    UP,
    DOWN
  }

  /// A map of a block.
  public record Place(int layer, Role role, Linear linear) {}

  /// The maps of all blocks, from below, in the order of the forward pass.
  public static List<Place> places(Transformer model) {
    var places = new ArrayList<Place>();
    for (int layer = 0; layer < model.layers(); layer++) {
      int l = layer;
      Block block = model.blocks().get(layer);
      BiConsumer<Role, Linear> add = (role, linear) -> places.add(new Place(l, role, linear));
      switch (block.attention().projections()) {
        case Attention.Projections.Separate(Linear q, Linear k, Linear v) -> {
          add.accept(Role.Q, q);
          add.accept(Role.K, k);
          add.accept(Role.V, v);
        }
        case Attention.Projections.Fused(Linear qkv, int _) -> add.accept(Role.QKV, qkv);
      }
      add.accept(Role.O, block.attention().out());
      switch (block.mlp()) {
        case Mlp.Plain(Linear in, Activation _, Linear out) -> {
          add.accept(Role.UP, in);
          add.accept(Role.DOWN, out);
        }
        case Mlp.Gated(Linear gate, Linear up, Activation _, Linear out) -> {
          add.accept(Role.GATE, gate);
          add.accept(Role.UP, up);
          add.accept(Role.DOWN, out);
        }
      }
    }
    return places;
  }

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
