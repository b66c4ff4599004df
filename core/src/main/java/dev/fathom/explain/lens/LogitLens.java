package dev.fathom.explain.lens;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;

/// What would the model say if it stopped after layer l? Every stream is put through the final norm
/// and the head: `p[l,t] = softmax(W_U N(resid[l][t]) + b_U)` (nostalgebraist 2020; thesis eq 3.2).
///
/// Entropy is `-Σ p ln p` in nats; the rank of a token is the number of tokens with a strictly
/// larger logit, 0 at best; the divergence is `KL(p_N ‖ p_l)` in nats.
///
/// It misleads where early layers write in a basis the head does not read (the tuned lens corrects
/// that), and it shows what could be read off the stream, not what the model uses.
///
/// Cost: N + 1 heads a position, `2 · dModel · vocab · (N + 1) · positions` operations, in chunks
/// of positions whose logits stay in cache: no `[layers, positions, vocab]` tensor is ever held.
public final class LogitLens {
  private LogitLens() {}

  /// @param target the token (or class) whose probability and rank are followed; empty for the
  ///   model's own best at `position`
  /// @param position the position that is read, negative from the end
  /// @param topK how many best tokens are kept for each cell
  public record Config(OptionalInt target, int position, int topK) {
    public Config {
      if (topK < 1 || topK > 1000) {
        throw new IllegalArgumentException("top k must be 1 to 1000, found " + topK);
      }
    }

    /// Follows the model's own best token at the last position, and keeps five.
    public static Config standard() {
      return new Config(OptionalInt.empty(), -1, 5);
    }

    public Config withTarget(int target) {
      return new Config(OptionalInt.of(target), position, topK);
    }

    public Config at(int position) {
      return new Config(target, position, topK);
    }

    public Config keeping(int topK) {
      return new Config(target, position, topK);
    }
  }

  /// The lens of one prompt; `tokenizer` only names tokens.
  ///
  /// @throws IllegalArgumentException if the target is not one of the model's outputs
  public static LensResult run(
      Transformer model, Tokenizer tokenizer, Prompt prompt, Config config) {
    return run(model, tokenizer, prompt, config, Reading.LOGIT);
  }

  /// The same with what a lens makes of the streams before the head reads them.
  public static LensResult run(
      Transformer model, Tokenizer tokenizer, Prompt prompt, Config config, Reading lens) {
    long start = System.nanoTime();
    int[] ids = prompt.ids();
    int position = position(config.position, ids.length);
    if (config.target.isPresent()) {
      requireOutput(config.target.getAsInt(), model);
    }
    try (var scope = Scope.withoutGradients()) {
      Tensor streams = lens.of(streams(model, ids)); // [layers + 1, tokens, dModel]
      int target = config.target.orElseGet(() -> best(model, streams, position));
      int[] targets = new int[ids.length];
      Arrays.fill(targets, target);
      LensCells cells = LensCells.of(model, streams, targets, config.topK);
      return result(
          cells, model, tokenizer, prompt, position, lens, (System.nanoTime() - start) / 1e9);
    }
  }

  private static int position(int position, int length) {
    int from = position < 0 ? length + position : position;
    if (from < 0 || from >= length) {
      throw new IllegalArgumentException(
          "Position %d is not in the prompt, which has tokens 0 to %d."
              .formatted(position, length - 1));
    }
    return from;
  }

  private static void requireOutput(int target, Transformer model) {
    if (target < 0 || target >= model.outputs()) {
      throw new IllegalArgumentException(
          "target %d is not one of this model's %d outputs".formatted(target, model.outputs()));
    }
  }

  /// What the model itself says at a position.
  private static int best(Transformer model, Tensor streams, int position) {
    try (var scope = Scope.open()) {
      Tensor last = streams.select(0, model.layers()).narrow(0, position, 1);
      return (int) model.head().of(last).argmax(-1).item();
    }
  }

  /// The embedding and the stream after every block, `[layers + 1, tokens, dModel]`, in the current
  /// scope.
  public static Tensor streams(Transformer model, int[] ids) {
    try (var scope = Scope.open()) {
      Pass pass = Pass.over(Layout.single(ids.length));
      var streams = new ArrayList<Tensor>();
      model.stream(Tensor.of(ids, ids.length), pass, (_, x) -> streams.add(scope.keep(x)));
      return scope.escape(Tensor.stack(streams, 0));
    }
  }

  private static LensResult result(
      LensCells cells,
      Transformer model,
      Tokenizer tokenizer,
      Prompt prompt,
      int position,
      Reading lens,
      double seconds) {
    var names = new Names(model, tokenizer);
    List<String> tokens = names.tokens(prompt);
    int target = cells.targets[position];
    var axes = LensResult.axes(cells.rows, tokens);
    var top = new ArrayList<>(axes);
    top.add(Axis.index("rank", cells.topK));
    return new LensResult(
        Provenances.of(
            model,
            prompt,
            tokens,
            seconds,
            "lens",
            lens.name(),
            "target",
            names.output(target),
            "position",
            Integer.toString(position)),
        target,
        names.output(target),
        position,
        Grid.integer(top, cells.topIds),
        Grid.real(top, cells.topProbability),
        Arrays.stream(cells.topIds).mapToObj(id -> names.output((int) id)).toList(),
        Grid.real(axes, cells.entropy),
        Grid.real(axes, cells.targetProbability()),
        Grid.integer(axes, cells.targetRank),
        Grid.real(axes, cells.divergence));
  }
}
