package dev.fathom.explain.parts;

import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.explain.lens.TopTokens;
import dev.fathom.model.Kind;
import dev.fathom.model.Norm;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.IntStream;

/// Which token of the prompt put what into the stream? Every stream is split into one vector for
/// each token and one for the model's biases, layer by layer, exact in sum: `Σ_k D[l][i][k] =
/// resid[l][i]` (thesis section 4.1.2, eq 4.1-4.3, B.1-B.3; DecompX: Modarressi et al. 2023).
///
/// Attention patterns, the divisors of norms and the slopes of activations are held as the run had
/// them ([FrozenBlock]); under them a model is linear, and a token's vector is what becomes of its
/// embedding. The vectors of the position in question are read through the head in two ways. *Own*:
/// the final norm is applied to the vector itself, as the lens does to whole streams; probabilities
/// can be compared, but do not add up. *Frozen*: the divisor is that of the true last stream;
/// logits then sum over the slots to the lens' logit of that layer under this divisor, in the last
/// row to the model's own logit (before a soft-cap).
///
/// It misleads where a token acts by directing attention, or by opening a gate: patterns and slopes
/// count as constants, and only what is carried through them is attributed. What is said to come
/// from a token has also passed through the positions between.
///
/// Cost: about `(T + 1) / 2` forward passes for a prompt of T tokens, and `4 T (T + 1) dModel`
/// bytes. [#scores] is the cheap way to one number a token.
public final class TokenDecomposition {
  private TokenDecomposition() {}

  /// Where the biases of the model go.
  public enum Bias {
    /// To a slot of their own.
    SEPARATE("separate"),
    /// To the tokens, in proportion to `|D_k · b|` (DecompX's default).
    ABSDOT("absdot"),
    /// To the tokens, in proportion to `‖D_k‖`.
    NORM("norm"),
    /// To the tokens, all that have anything alike.
    EQUAL("equal");

    private final String text;

    Bias(String text) {
      this.text = text;
    }

    public String text() {
      return text;
    }
  }

  /// How the product `act(g) ⊙ u` in a gated MLP is shared out between the parts of its factors g
  /// and u. All sum exactly; plain MLPs need no choice.
  public enum Gated {
    /// Half by each of the others, the Shapley value of a product.
    SYMMETRIC("symmetric"),
    /// The gate's value is a constant: `act(g) ⊙ u_k`.
    GATE_FROZEN("gate-frozen"),
    /// The linear branch is a constant: `slope(g) ⊙ u ⊙ g_k`.
    UP_FROZEN("up-frozen");

    private final String text;

    Gated(String text) {
      this.text = text;
    }

    public String text() {
      return text;
    }
  }

  /// @param bias at every block, where biases go
  /// @param positionSlot whether learned or sinusoidal position embeddings (and BERT's segment)
  ///   have a slot of their own instead of belonging to their token
  /// @param topK best tokens kept for each cell
  public record Config(Gated gated, Bias bias, boolean positionSlot, int topK) {
    public Config {
      if (topK < 1 || topK > 1000) {
        throw new IllegalArgumentException("top k must be 1 to 1000, found " + topK);
      }
    }

    /// Symmetric, biases apart, positions with their tokens, five best tokens.
    public static Config standard() {
      return new Config(Gated.SYMMETRIC, Bias.SEPARATE, false, 5);
    }

    public Config with(Gated gated) {
      return new Config(gated, bias, positionSlot, topK);
    }

    public Config with(Bias bias) {
      return new Config(gated, bias, positionSlot, topK);
    }

    public Config withPositionSlot() {
      return new Config(gated, bias, true, topK);
    }

    public Config keeping(int topK) {
      return new Config(gated, bias, positionSlot, topK);
    }
  }

  /// The decomposition at the question's position; `tokenizer` only names tokens.
  ///
  /// @throws IllegalArgumentException if the metric is not a logit or a difference of two, or a
  ///   position slot is wanted of a model without position embeddings
  public static TokenDecompositionResult run(
      Transformer model, Tokenizer tokenizer, Question question, Config config) {
    long start = System.nanoTime();
    var names = new Names(model, tokenizer);
    String measured = names.measured(question);
    int[] ids = question.ids(model);
    int layers = model.layers();
    int position = question.position();
    requirePositions(model, config);
    try (var scope = Scope.withoutGradients()) {
      var run = FrozenRun.whole(model, ids);
      var parts = new TokenParts(model, run, config.gated, config.bias, config.positionSlot);
      var found = new ArrayList<Tensor>(); // of the position, layer by layer, [slots, dModel]
      found.add(parts.at(position));
      double gap = parts.gap(run.stream(), 0, ids.length);
      for (int layer = 0; layer < layers; layer++) {
        try (var inner = Scope.open()) {
          FrozenBlock block = run.next();
          boolean last = layer == layers - 1;
          if (last) {
            parts.through(block, position);
          } else {
            parts.through(block);
          }
          gap =
              Math.max(
                  gap,
                  last
                      ? parts.gap(run.stream(), position, 1)
                      : parts.gap(run.stream(), 0, ids.length));
          found.add(inner.escape(parts.at(position)));
        }
      }
      Tensor vectors = tokensFirst(Tensor.stack(found, 0), parts.extra());
      var head = new FrozenHead(model.head(), run.stream().narrow(0, position, 1));
      return read(names, measured, question, config, vectors, head, gap, start);
    }
  }

  private static void requirePositions(Transformer model, Config config) {
    if (config.positionSlot
        && model.embedding().positions() == null
        && model.embedding().tokenType() == null) {
      throw new IllegalArgumentException(
          "This %s model adds no position embedding to its tokens: there is nothing for a position slot."
              .formatted(model.card().family()));
    }
  }

  /// `[layers, slots, dModel]` with the slots in reading order: tokens, positions, biases.
  private static Tensor tokensFirst(Tensor vectors, int extra) {
    int slots = (int) vectors.size(1);
    long[] order = new long[slots];
    Arrays.setAll(order, k -> k < slots - extra ? extra + k : slots - 1 - k);
    return vectors.indexSelect(1, order);
  }

  private static TokenDecompositionResult read(
      Names names,
      String measured,
      Question question,
      Config config,
      Tensor vectors,
      FrozenHead head,
      double gap,
      long start) {
    Transformer model = names.model();
    int rows = (int) vectors.size(0);
    int slots = (int) vectors.size(1);
    List<String> tokens = names.tokens(question.prompt());
    var columns = new ArrayList<>(tokens.subList(0, question.ids(model).length));
    int count = columns.size();
    if (config.positionSlot) {
      columns.add("(position)");
    }
    columns.add("(bias)");
    List<Axis> axes =
        List.of(
            Axis.of(
                "layer",
                IntStream.range(0, rows)
                    .mapToObj(l -> l == 0 ? "embed" : Integer.toString(l))
                    .toList()),
            Axis.of("slot", columns));
    Tensor flat = vectors.reshape((long) rows * slots, model.dModel());
    TopTokens own =
        TopTokens.of(
            names,
            axes,
            question.target(),
            config.topK,
            (from, n) -> model.head().of(flat.narrow(0, from, n).to(model.card().dtype())));
    float[] frozen = head.measure(flat.unsqueeze(0), false, question).toFloats();
    Tensor nothing = Tensor.zeros(flat.dtype(), 1, 1, model.dModel());
    double headBias = head.measure(nothing, true, question).item();
    for (int row = 0; row < rows; row++) {
      frozen[(row + 1) * slots - 1] += (float) headBias;
    }
    Tensor whole = vectors.sum(1, true); // [rows, 1, dModel]
    Tensor without = whole.sub(vectors).abs().sum(-1, false); // [rows, slots]
    Tensor share = whole.abs().sum(-1, false).sub(without).relu(); // ALTI: Ferrando et al. 2022
    Tensor total = share.sum(1, true);
    share = share.div(total.maskedFill(total.eq(Tensor.zeros(total.dtype(), 1)), 1));
    double logit = head.measure(whole.narrow(0, rows - 1L, 1), true, question).item();
    return new TokenDecompositionResult(
        Provenances.of(
            model,
            question.prompt(),
            tokens,
            (System.nanoTime() - start) / 1e9,
            "measured",
            measured,
            "position",
            Integer.toString(question.position()),
            "gated",
            config.gated.text(),
            "bias",
            config.bias.text(),
            "position_slot",
            Boolean.toString(config.positionSlot),
            "largest_gap",
            String.format(Locale.ROOT, "%.1e", gap)),
        measured,
        names.output(question.target()),
        count,
        question.prompt().startToken(),
        logit,
        gap,
        own,
        Grid.real(axes, frozen),
        Grid.real(axes, vectors.norm(-1, false).toFloats()),
        Grid.real(axes, share.toFloats()));
  }

  /// The cheap way to one number a token: what it puts into the question's logit through all
  /// layers, by one forward and one backward pass. Under [#run]'s linearisation the logit is linear
  /// in the embeddings, so token k's part is `⟨e_k, ∂ logit_lin / ∂ e_k⟩`: the last row of its
  /// frozen reading.
  ///
  /// @throws IllegalArgumentException if the metric is not a logit or a difference of two
  public static TokenScores scores(
      Transformer model, Tokenizer tokenizer, Question question, Gated gated) {
    long start = System.nanoTime();
    var names = new Names(model, tokenizer);
    List<String> tokens = names.tokens(question.prompt());
    String measured = names.measured(question);
    int[] ids = question.ids(model);
    try (var scope = Scope.withoutGradients()) {
      var run = FrozenRun.whole(model, ids);
      Tensor embedded = FrozenRun.required(run.embedded(), Kind.EMBED);
      Tensor place = TokenParts.place(run);
      var blocks = new ArrayList<FrozenBlock>();
      while (blocks.size() < model.layers()) {
        blocks.add(run.next());
      }
      Tensor last = run.stream().narrow(0, question.position(), 1); // [1, dModel]
      var head = new FrozenHead(model.head(), last);
      double logit = head.measure(last.unsqueeze(0), true, question).item();
      Tensor leaf = (place == null ? embedded : embedded.add(place)).unsqueeze(1).copy();
      float[] scores = contributions(model, question, gated, blocks, head, leaf);
      return new TokenScores(
          Provenances.of(
              model,
              question.prompt(),
              tokens,
              (System.nanoTime() - start) / 1e9,
              "measured",
              measured,
              "position",
              Integer.toString(question.position()),
              "gated",
              gated.text()),
          measured,
          logit,
          Grid.vector(Axis.of("position", tokens.subList(0, ids.length)), scores));
    }
  }

  /// @param leaf what the first block reads but for the norm of the embeddings, `[tokens, 1,
  ///   dModel]`
  private static float[] contributions(
      Transformer model,
      Question question,
      Gated gated,
      List<FrozenBlock> blocks,
      FrozenHead head,
      Tensor leaf) {
    try (var graph = Scope.withGradients()) {
      leaf.requireGradient();
      Norm norm = model.embedding().norm();
      Tensor x = norm == null ? leaf : norm.frozen(leaf, norm.scale(leaf.detach()));
      for (FrozenBlock block : blocks.subList(0, blocks.size() - 1)) {
        x = block.through(x, gated, false);
      }
      FrozenBlock last = blocks.getLast();
      Tensor values = last.values(x, 0, false);
      int at = question.position();
      x = last.rest(x.narrow(0, at, 1), values, at, gated, false);
      head.measure(x, false, question).sum().backward();
      Tensor gradient = Objects.requireNonNull(leaf.gradient());
      return gradient.mul(leaf.detach()).sum(-1, false).toFloats();
    }
  }
}
