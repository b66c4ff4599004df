package dev.fathom.refine;

import dev.fathom.explain.lens.TunedLens;
import dev.fathom.model.Layout;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// A transformer that says what it would say after layer l as soon as that looks settled, without
/// any training (thesis, section 4.1.1): the first layer from a least one on whose prediction, read
/// by the logit lens or a [TunedLens], satisfies a [Rule]; else the last layer.
///
/// ```java
/// var rule = new ConfidenceExit.Rule(ConfidenceExit.Measure.MAX_PROBABILITY, 0.9, 12);
/// var speaker = ConfidenceExit.of(model, rule).with(Exit.EXACT);
/// Generation next = Generator.of(speaker, tokenizer).run(ids, Decoding.greedy(64));
/// ```
///
/// Leaving is [Exit#EXACT] unless it is said otherwise.
///
/// It misleads where a layer is confident and wrong; [ExitReport] counts how often it says what the
/// last layer would. Each layer that is asked costs a head, which for a small model with a large
/// vocabulary is more than the block it saves; only [Measure#COSINE] asks none.
public final class ConfidenceExit implements EarlyExit {
  /// Logits held at a time while many tokens are looked at.
  private static final long CHUNK_BYTES = 64 << 20;

  private final Transformer model;
  private final Rule rule;
  private final Optional<TunedLens> lens;
  private final Exit exit;

  /// What is compared with the threshold.
  public enum Measure {
    /// The probability of the likeliest token is above it.
    MAX_PROBABILITY,
    /// That probability, less the second likeliest token's, is above it.
    MARGIN,
    /// The entropy of the next token, in nats, is below it.
    ENTROPY,
    /// The cosine of the stream with what it was one block before is above it. Saturation of the
    /// stream, not confidence: it needs no head.
    COSINE;

    /// As the command line and results name it: `max-prob`, `margin`, `entropy`, `cosine`.
    public String text() {
      return this == MAX_PROBABILITY ? "max-prob" : name().toLowerCase(Locale.ROOT);
    }
  }

  /// When a token leaves.
  ///
  /// @param threshold above 1 (for [Measure#ENTROPY] 0) no token leaves before the last layer
  /// @param minLayer the first layer that a token may leave at, from 1 (after the first block) on
  public record Rule(Measure measure, double threshold, int minLayer) {
    public Rule {
      if (minLayer < 1) {
        throw new IllegalArgumentException(
            "the first layer to leave at must be 1 (after the first block) or later, found "
                + minLayer);
      }
      if (Double.isNaN(threshold)) {
        throw new IllegalArgumentException("the threshold is not a number");
      }
    }
  }

  private ConfidenceExit(Transformer model, Rule rule, Optional<TunedLens> lens, Exit exit) {
    this.model = model;
    this.rule = rule;
    this.lens = lens;
    this.exit = exit;
  }

  /// @throws IllegalArgumentException if the model does not predict next tokens, or has fewer
  ///   layers than the rule's first
  public static ConfidenceExit of(Transformer model, Rule rule) {
    if (!model.card().causal()) {
      throw new IllegalArgumentException(
          "%s is an encoder: it has no next token to leave early for"
              .formatted(model.card().name()));
    }
    if (rule.minLayer > model.layers()) {
      throw new IllegalArgumentException(
          "the first layer to leave at is %d, but %s has layers up to %d"
              .formatted(rule.minLayer, model.card().name(), model.layers()));
    }
    return new ConfidenceExit(model, rule, Optional.empty(), Exit.EXACT);
  }

  /// The same, reading layers through a tuned lens, which must outlive it.
  ///
  /// @throws IllegalArgumentException if the lens is for another number of layers
  public ConfidenceExit through(TunedLens lens) {
    if (lens.layers() != model.layers()) {
      throw new IllegalArgumentException(
          "the tuned lens translates %d layers, but %s has %d"
              .formatted(lens.layers(), model.card().name(), model.layers()));
    }
    return new ConfidenceExit(model, rule, Optional.of(lens), exit);
  }

  @Override
  public ConfidenceExit with(Exit exit) {
    return new ConfidenceExit(model, rule, lens, exit);
  }

  public Rule rule() {
    return rule;
  }

  /// What layers are read through: `logit lens` or `tuned lens`.
  public String lens() {
    return lens.map(TunedLens::name).orElse("logit lens");
  }

  @Override
  public Transformer transformer() {
    return model;
  }

  @Override
  public Exit exit() {
    return exit;
  }

  @Override
  public int leastBlocks() {
    return rule.minLayer;
  }

  @Override
  public Transformer.Card card() {
    return model.card();
  }

  @Override
  public int outputs() {
    return model.outputs();
  }

  /// The first layer that matters: that before the first to leave at, where it is compared with it.
  /// Never the last one, as the block before that is computed for last tokens only.
  private int first() {
    int asked = rule.measure == Measure.COSINE ? rule.minLayer - 1 : rule.minLayer;
    return Math.min(asked, model.layers() - 1);
  }

  @Override
  public Tensor logits(Tensor ids, Layout layout, Wanted wanted) {
    return Speech.whole(model, first(), Asking::new, ids, layout, wanted);
  }

  @Override
  public ExitSession session(int rows, Tap tap) {
    return new ExitSession(model, exit, first(), Asking::new, rows, tap);
  }

  /// Asks each layer.
  private final class Asking implements Speech {
    private final Scope home = Scope.current();
    private final int tokens;
    private final List<Tensor> said = new ArrayList<>(); // logits of settled tokens, [some, vocab]
    private final long[] order; // where each token's are among them
    private int settled;
    private @Nullable Tensor before; // of the open tokens, with the cosine rule
    private int[] beforeOf = {};
    private long heads;

    Asking(int tokens) {
      this.tokens = tokens;
      this.order = new long[tokens];
    }

    @Override
    public boolean[] at(int layer, Tensor stream, int[] open) {
      if (rule.measure == Measure.COSINE) {
        boolean[] done = alike(layer, stream, open);
        int[] leaving = where(done);
        if (leaving.length > 0) {
          settle(logits(layer, Speech.picked(stream, leaving)), of(open, leaving));
        }
        return done;
      }
      boolean[] done = new boolean[open.length];
      if (layer < rule.minLayer) {
        return done;
      }
      int chunk = (int) Math.max(1, CHUNK_BYTES / (Float.BYTES * (long) model.outputs()));
      for (int from = 0; from < open.length; from += chunk) {
        int[] part = IntStream.range(from, Math.min(open.length, from + chunk)).toArray();
        try (var scope = Scope.open()) {
          Tensor logits = logits(layer, stream.narrow(0, from, part.length));
          boolean[] sure = layer == model.layers() ? all(part.length) : sure(logits);
          System.arraycopy(sure, 0, done, from, part.length);
          int[] leaving = where(sure);
          if (leaving.length > 0) {
            settle(Speech.picked(logits, leaving), of(open, of(part, leaving)));
          }
        }
      }
      return done;
    }

    private Tensor logits(int layer, Tensor stream) {
      heads += stream.size(0);
      boolean translated = lens.isPresent() && layer < model.layers();
      return model.head().of(translated ? lens.get().of(layer, stream) : stream);
    }

    private boolean[] sure(Tensor logits) {
      Tensor log = logits.wide().logSoftmax(-1); // [n, vocab]
      double[] values =
          switch (rule.measure) {
            case MAX_PROBABILITY -> log.max(-1, false).exp().toDoubles();
            case MARGIN -> {
              Tensor best = log.topK(2, -1).values().exp(); // [n, 2]
              yield best.select(1, 0).sub(best.select(1, 1)).toDoubles();
            }
            case ENTROPY -> log.exp().mul(log).sum(-1, false).neg().toDoubles();
            case COSINE -> throw new IllegalStateException("the cosine asks no head");
          };
      boolean[] sure = new boolean[values.length];
      for (int i = 0; i < sure.length; i++) {
        sure[i] =
            rule.measure == Measure.ENTROPY
                ? values[i] < rule.threshold
                : values[i] > rule.threshold;
      }
      return sure;
    }

    private boolean[] alike(int layer, Tensor stream, int[] open) {
      Tensor now = stream.wide();
      boolean[] done = layer == model.layers() ? all(open.length) : new boolean[open.length];
      if (before != null && layer < model.layers()) {
        Tensor then = Speech.picked(before, places(open));
        double[] products = now.mul(then).sum(-1, false).toDoubles();
        double[] lengths = now.norm(-1, false).mul(then.norm(-1, false)).toDoubles();
        for (int i = 0; i < done.length; i++) {
          done[i] = Math.min(1, products[i] / lengths[i]) > rule.threshold;
        }
      }
      if (before != null) {
        home.release(before);
      }
      before = home.keep(now);
      beforeOf = open;
      return done;
    }

    /// Where these tokens are among those of the layer before.
    private int[] places(int[] open) {
      return Arrays.stream(open).map(token -> Arrays.binarySearch(beforeOf, token)).toArray();
    }

    private static boolean[] all(int n) {
      boolean[] all = new boolean[n];
      Arrays.fill(all, true);
      return all;
    }

    private static int[] where(boolean[] flags) {
      return IntStream.range(0, flags.length).filter(i -> flags[i]).toArray();
    }

    private static int[] of(int[] values, int[] indices) {
      return IntStream.of(indices).map(i -> values[i]).toArray();
    }

    private void settle(Tensor logits, int[] of) {
      said.add(home.keep(logits));
      for (int token : of) {
        order[token] = settled++;
      }
    }

    @Override
    public Tensor logits(Wanted wanted) {
      if (settled < tokens) {
        throw new IllegalStateException(
            "%d of %d tokens have no logits yet".formatted(tokens - settled, tokens));
      }
      Tensor all = said.size() == 1 ? said.getFirst() : Tensor.cat(said, 0);
      Tensor ordered =
          Speech.picked(all, Arrays.stream(order).mapToInt(Math::toIntExact).toArray());
      long[] columns = wanted.columns();
      return columns == null ? ordered : ordered.indexSelect(1, columns);
    }

    @Override
    public Cost cost() {
      return new Cost(0, heads);
    }
  }
}
