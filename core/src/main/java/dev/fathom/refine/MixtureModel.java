package dev.fathom.refine;

import dev.fathom.model.Head;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// A transformer that speaks with a mixture of its late layers ([Mod]): `φ(Σ_i G_i N_i(H_i))`, one
/// head for each token, or `Σ_i G_i φ(N_i(H_i))` where logits are soft-capped and φ is not affine.
///
/// The router reads the stream below the late blocks, so before these are run it is known which of
/// them a token needs: with top-K none above the highest of its K routes. That is what [Exit] is
/// about.
///
/// ```java
/// try (var mod = Mod.open(path, model)) {
///   var speaker = MixtureModel.of(model, mod.withTopK(2)).with(Exit.EXACT);
///   Generation next = Generator.of(speaker, tokenizer).run(ids, Decoding.greedy(64));
/// }
/// ```
///
/// Every block is run ([Exit#NONE]) unless it is said otherwise. Of n blocks at most k − 1 are ever
/// skipped, so it cannot be faster than the model by more than n / (n − k + 1); [ExitReport]
/// measures how much of that is left.
public final class MixtureModel implements EarlyExit {
  private final Transformer model;
  private final Mod mod;
  private final Exit exit;
  private final Transformer.Card card;
  private final Head.Unembedding out; // without the norm
  private final boolean affine;

  private MixtureModel(Transformer model, Mod mod, Exit exit, Transformer.Card card) {
    var head = (Head.Unembedding) model.head();
    this.model = model;
    this.mod = mod;
    this.exit = exit;
    this.card = card;
    this.out = new Head.Unembedding(null, head.out(), head.scale(), head.softCap());
    this.affine = head.softCap() == 0;
  }

  /// @param model the model that the mixture was made for, adapters applied
  /// @param mod must outlive this
  /// @throws IllegalArgumentException if the mixture is for another number of layers, or the model
  ///   does not predict next tokens
  public static MixtureModel of(Transformer model, Mod mod) {
    Mod.require(model, mod.config());
    if (mod.layers() != model.layers()) {
      throw new IllegalArgumentException(
          "a mixture for a model of %d layers, but %s has %d"
              .formatted(mod.layers(), model.card().name(), model.layers()));
    }
    return new MixtureModel(model, mod, Exit.NONE, mod.spoken(model.card()));
  }

  @Override
  public MixtureModel with(Exit exit) {
    return new MixtureModel(model, mod, exit, card);
  }

  /// The same, counting only the best `topK` layers for each token.
  ///
  /// @throws IllegalArgumentException if there are not so many, or they all count the same
  public MixtureModel withTopK(int topK) {
    return of(model, mod.withTopK(topK)).with(exit);
  }

  /// How the layers are mixed.
  public Mod.Config mixture() {
    return mod.config();
  }

  @Override
  public Transformer transformer() {
    return model;
  }

  @Override
  public Exit exit() {
    return exit;
  }

  /// All below the late ones, and the first of these.
  @Override
  public int leastBlocks() {
    return mod.row(0);
  }

  /// The model's, with a name and a fingerprint that tell that a mixture speaks, and which.
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
    return Speech.whole(model, mod.routerRow(), Mixing::new, ids, layout, wanted);
  }

  @Override
  public ExitSession session(int rows, Tap tap) {
    return new ExitSession(model, exit, mod.routerRow(), Mixing::new, rows, tap);
  }

  /// Adds each route to the sum as soon as its layer is there.
  private final class Mixing implements Speech {
    private final Scope home = Scope.current();
    private final int tokens;
    private @Nullable Tensor gate; // [tokens, k]
    private double[] weights = {};
    private @Nullable Tensor sum; // what the head reads, or logits: [tokens, …]
    private long routes;
    private long heads;

    Mixing(int tokens) {
      this.tokens = tokens;
    }

    @Override
    public boolean[] at(int layer, Tensor stream, int[] open) {
      boolean[] settled = new boolean[open.length];
      int route = layer - mod.row(0);
      if (route < 0) { // all are open
        Tensor all = home.keep(mod.gate(stream));
        gate = all;
        weights = all.toDoubles();
        return settled;
      }
      int[] counted = IntStream.range(0, open.length).filter(i -> counts(open[i], route)).toArray();
      if (counted.length > 0) {
        int[] of = IntStream.of(counted).map(i -> open[i]).toArray();
        add(route, Speech.picked(stream, counted), of);
      }
      for (int i = 0; i < open.length; i++) {
        settled[i] = isLast(open[i], route);
      }
      return settled;
    }

    /// Whether a route has a weight; those that were not selected have none. What is no number
    /// counts, so that it is seen.
    private boolean counts(int token, int route) {
      return weights[token * mod.config().late() + route] != 0;
    }

    private boolean isLast(int token, int route) {
      return IntStream.range(route + 1, mod.config().late()).noneMatch(i -> counts(token, i));
    }

    private void add(int route, Tensor stream, int[] of) {
      try (var scope = Scope.open()) {
        Tensor own = mod.read(route, stream); // [of, dModel]
        if (!affine) {
          own = out.of(own.to(model.card().dtype())).wide(); // [of, vocab]
          heads += of.length;
        }
        routes += of.length;
        if (mod.config().late() > 1) {
          own = own.mul(Speech.picked(gate().narrow(1, route, 1), of));
        }
        Tensor before = sum;
        if (of.length == tokens) {
          sum = home.keep(before == null ? own : before.add(own));
        } else {
          Tensor start = before == null ? Tensor.zeros(own.dtype(), tokens, own.size(1)) : before;
          sum = home.keep(start.indexAdd(0, Tensor.of(of, of.length), own));
        }
        if (before != null) {
          home.release(before);
        }
      }
    }

    private Tensor gate() {
      if (gate == null) {
        throw new IllegalStateException("the router has not been asked yet");
      }
      return gate;
    }

    @Override
    public Tensor logits(Wanted wanted) {
      if (sum == null) {
        throw new IllegalStateException("no layer has spoken yet");
      }
      if (affine) {
        heads += tokens;
        Pass pass = Pass.over(Layout.single(tokens)).with(new Wanted(false, wanted.columns()));
        return out.forward(sum.to(model.card().dtype()), pass);
      }
      Tensor all = sum.to(model.card().dtype());
      long[] columns = wanted.columns();
      return columns == null ? all : all.indexSelect(1, columns);
    }

    @Override
    public Cost cost() {
      return new Cost(routes, heads);
    }
  }
}
