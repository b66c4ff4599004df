package dev.fathom.explain;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;

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
  /// Logits held at a time.
  private static final long CHUNK_BYTES = 16 << 20;

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
    long start = System.nanoTime();
    int[] ids = prompt.ids();
    int position = position(config.position, ids.length);
    if (config.target.isPresent()) {
      requireOutput(config.target.getAsInt(), model);
    }
    int topK = Math.min(config.topK, model.outputs());
    var found = new Found(model.layers() + 1, ids.length, topK);
    try (var scope = Scope.withoutGradients()) {
      Tensor streams = streams(model, ids); // [layers + 1, tokens, dModel]
      int target = config.target.orElseGet(() -> best(model, streams, position));
      found.choose(target, position);
      int rows = model.layers() + 1;
      int chunk = (int) Math.max(1, CHUNK_BYTES / ((long) rows * model.outputs() * Float.BYTES));
      for (int from = 0; from < ids.length; from += chunk) {
        int count = Math.min(chunk, ids.length - from);
        try (var inner = Scope.open()) {
          Tensor part = streams.narrow(1, from, count).transpose(0, 1); // [count, rows, dModel]
          Tensor logits =
              model.head().of(part.reshape((long) count * rows, model.dModel())).to(DType.F32);
          read(logits, from, count, found);
        }
      }
    }
    return found.result(
        new Names(model, tokenizer), model, prompt, (System.nanoTime() - start) / 1e9);
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
  static Tensor streams(Transformer model, int[] ids) {
    try (var scope = Scope.open()) {
      Pass pass = Pass.over(Layout.single(ids.length));
      var streams = new ArrayList<Tensor>();
      Tensor x = model.embed(Tensor.of(ids, ids.length), pass);
      streams.add(x);
      for (int layer = 0; layer < model.layers(); layer++) {
        x = model.block(layer, x, pass);
        streams.add(x);
      }
      return scope.escape(Tensor.stack(streams, 0));
    }
  }

  /// `logits [positions · rows, vocab]`, position by position.
  private static void read(Tensor logits, int from, int count, Found found) {
    int target = found.target;
    int rows = found.rows;
    int vocab = (int) logits.size(1);
    Tensor logP = logits.logSoftmax(-1);
    Tensor p = logP.exp();
    float[] entropy = p.mul(logP).sum(-1, false).toFloats();
    Tensor byPosition = logP.view(count, rows, vocab);
    Tensor last = p.view(count, rows, vocab).narrow(1, rows - 1, 1); // [count, 1, vocab]
    float[] cross = byPosition.matmul(last.transpose(1, 2)).toFloats(); // Σ p_N ln p_l
    MemorySegment memory = logP.memory();
    IntStream.range(0, count * rows)
        .parallel()
        .forEach(i -> {
          int position = from + i / rows;
          int row = i % rows;
          int cell = row * found.positions + position;
          long offset = (long) i * vocab * Float.BYTES;
          float atTarget = memory.get(ValueLayout.JAVA_FLOAT, offset + 4L * target);
          var top = new RowTop(found.topK);
          top.scan(memory, offset, vocab);
          for (int k = 0; k < found.topK; k++) {
            found.topIds[cell * found.topK + k] = top.ids[k];
            found.topProbability[cell * found.topK + k] = (float) Math.exp(top.values[k]);
          }
          found.entropy[cell] = Math.max(0, -entropy[i]);
          found.targetProbability[cell] = (float) Math.exp(atTarget);
          found.targetRank[cell] = RowTop.countGreater(memory, offset, vocab, atTarget);
          int own = (i / rows) * rows + rows - 1;
          found.divergence[cell] = Math.max(0, entropy[own] - cross[i]);
        });
  }

  /// Arrays being filled, `[rows, positions]`, the top ones `[rows, positions, topK]`.
  private static final class Found {
    final int rows;
    final int positions;
    final int topK;
    final long[] topIds;
    final float[] topProbability;
    final float[] entropy;
    final float[] targetProbability;
    final long[] targetRank;
    final float[] divergence;
    int target;
    int position;

    Found(int rows, int positions, int topK) {
      this.rows = rows;
      this.positions = positions;
      this.topK = topK;
      int cells = Math.multiplyExact(rows, positions);
      topIds = new long[Math.multiplyExact(cells, topK)];
      topProbability = new float[topIds.length];
      entropy = new float[cells];
      targetProbability = new float[cells];
      targetRank = new long[cells];
      divergence = new float[cells];
    }

    void choose(int target, int position) {
      this.target = target;
      this.position = position;
    }

    LensResult result(Names names, Transformer model, Prompt prompt, double seconds) {
      List<String> tokens = names.tokens(prompt);
      var axes = LensResult.axes(rows, tokens);
      var top = new ArrayList<>(axes);
      top.add(Axis.index("rank", topK));
      List<String> topTokens =
          Arrays.stream(topIds).mapToObj(id -> names.output((int) id)).toList();
      return new LensResult(
          Provenances.of(
              model,
              prompt,
              tokens,
              seconds,
              "target",
              names.output(target),
              "position",
              Integer.toString(position)),
          target,
          names.output(target),
          position,
          Grid.integer(top, topIds),
          Grid.real(top, topProbability),
          topTokens,
          Grid.real(axes, entropy),
          Grid.real(axes, targetProbability),
          Grid.integer(axes, targetRank),
          Grid.real(axes, divergence));
    }
  }
}
