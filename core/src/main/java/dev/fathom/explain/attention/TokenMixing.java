package dev.fathom.explain.attention;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.model.Attention;
import dev.fathom.model.Block;
import dev.fathom.model.Kind;
import dev.fathom.model.Norm;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// From which tokens has a position been mixed? Per layer a matrix `M[l]` that says how much of
/// position i comes from position j, rows summing to 1, and their product `M[L−1] … M[0]` over all
/// layers, from the input tokens to the last stream.
///
/// With `T_i(x_j) = Σ_h α[h,i,j] (x_j W_V + b_V) W_O + δ_ij x_i` what position j gives to the stream
/// of i, `y_i = Σ_j T_i(x_j) + bias` the stream after attention:
///
///     rollout   M = ½ mean_h α + ½ I                              Abnar and Zuidema 2020
///     norms     M = ‖T_i(x_j)‖₂, rows normalised                  Kobayashi et al. 2020, 2021
///     alti      M = max(0, ‖y_i‖₁ − ‖y_i − T_i(x_j)‖₁), likewise  Ferrando et al. 2022
///
/// Norms around attention have their scale at i frozen, which makes them linear. MLPs, which move
/// nothing between positions, are left out; of a parallel block, `y` is the stream without what its
/// MLP adds.
///
/// It misleads where the first token is an attention sink: most of a product then ends there. Every
/// picture therefore comes a second time without column 0, the rest renormalised: where from, if not
/// from the sink? Rollout does not look at values at all, and products blame early layers' mixing on
/// tokens whose content an MLP may have long replaced.
public final class TokenMixing {
  /// What the vectors of a chunk of queries may take.
  private static final long CHUNK_BYTES = 64 << 20;

  private final Method method;
  private final int tokens;

  private TokenMixing(Method method, int tokens) {
    this.method = method;
    this.tokens = tokens;
  }

  /// How much one position gives to another.
  public enum Method {
    /// By attention alone.
    ROLLOUT("rollout", "attention rollout"),
    /// By the length of what it gives.
    NORMS("norms", "norm-based"),
    /// By how much closer what it gives brings the sum.
    ALTI("alti", "ALTI");

    private final String text;
    private final String title;

    Method(String text, String title) {
      this.text = text;
      this.title = title;
    }

    public String text() {
      return text;
    }

    public String title() {
      return title;
    }
  }

  /// Mixing of one prompt; `tokenizer` only names tokens.
  ///
  /// @param position whose origins are drawn token by token, from 0
  public static TokenMixingResult run(
      Transformer model, Tokenizer tokenizer, Prompt prompt, int position, Method method) {
    long start = System.nanoTime();
    int[] ids = prompt.ids();
    if (position < 0 || position >= ids.length) {
      throw new IllegalArgumentException(
          "Position %d is not in the prompt, which has tokens 0 to %d."
              .formatted(position, ids.length - 1));
    }
    AttentionPatterns.requireHoldable(model, (long) ids.length * ids.length, ids.length);
    var mixing = new TokenMixing(method, ids.length);
    int cells = ids.length * ids.length;
    float[] layers = new float[model.layers() * cells];
    float[] lengths = new float[method == Method.NORMS ? layers.length : 0];
    float[] total;
    try (var scope = Scope.withoutGradients()) {
      var current = new Tensor[] {identity(ids.length)};
      new Walk(model, List.of(ids), mixing.kinds())
          .each((layer, seen) -> {
            Block block = model.blocks().get(layer);
            if (method == Method.NORMS) {
              float[] own = mixing.givenLengths(block, seen).toFloats();
              System.arraycopy(own, 0, lengths, layer * cells, cells);
            }
            Tensor mix = mixing.matrix(block, seen);
            System.arraycopy(mix.to(DType.F32).toFloats(), 0, layers, layer * cells, cells);
            Tensor before = current[0];
            current[0] = scope.keep(mix.matmul(before));
            scope.release(before);
          });
      total = current[0].to(DType.F32).toFloats();
    }
    List<String> names = new Names(model, tokenizer).tokens(prompt);
    List<Axis> axes =
        List.of(
            Axis.index("layer", model.layers()), Axis.of("query", names), Axis.of("key", names));
    return new TokenMixingResult(
        Provenances.of(
            model,
            prompt,
            names,
            (System.nanoTime() - start) / 1e9,
            "mixing",
            method.text(),
            "position",
            Integer.toString(position)),
        method,
        position,
        Grid.real(axes, layers),
        method == Method.NORMS ? Optional.of(Grid.real(axes, lengths)) : Optional.empty(),
        Grid.real(axes.subList(1, 3), total));
  }

  private Set<Kind> kinds() {
    if (method == Method.ROLLOUT) {
      return EnumSet.of(Kind.PATTERN);
    }
    return EnumSet.of(Kind.PATTERN, Kind.V, Kind.ATTN_RAW, Kind.ATTN_OUT);
  }

  private static Tensor identity(int n) {
    double[] values = new double[n * n];
    for (int i = 0; i < n; i++) {
      values[i * n + i] = 1;
    }
    return Tensor.of(values, n, n);
  }

  /// `M [queries, keys]` of a block, F64.
  private Tensor matrix(Block block, Walk.Seen seen) {
    Tensor own = identity(tokens);
    if (method == Method.ROLLOUT) {
      Tensor mean = seen.at(Kind.PATTERN).select(0, 0).to(DType.F64).mean(0, false);
      return shares(mean.add(own).mul(0.5), own);
    }
    var given = new Given(block, seen);
    Tensor y = method == Method.ALTI ? given.whole() : seen.stream(); // [tokens, dModel]
    Tensor weights =
        given.chunked((vectors, from) -> {
          if (method == Method.NORMS) {
            return vectors.norm(-1, false);
          }
          Tensor target = y.narrow(0, from, vectors.size(1)).unsqueeze(0); // [1, queries, dModel]
          return target.abs().sum(-1, false).sub(target.sub(vectors).abs().sum(-1, false)).relu();
        });
    return shares(weights.to(DType.F64), own);
  }

  /// Rows that sum to 1; a row of zeros, to which no token contributes, keeps to itself.
  private static Tensor shares(Tensor weights, Tensor own) {
    Tensor sums = weights.sum(1, true);
    Tensor none = sums.eq(Tensor.zeros(sums.dtype(), 1));
    Tensor kept = weights.add(own.mul(none.to(weights.dtype())));
    return kept.div(kept.sum(1, true));
  }

  /// `‖Σ_h α v W_O‖₂ [queries, keys]`: what attention alone moves, before any norm or multiplier.
  private Tensor givenLengths(Block block, Walk.Seen seen) {
    return new Given(block, seen).moved((vectors, _) -> vectors.norm(-1, false));
  }

  interface Measure {
    /// `vectors [keys, queries, dModel]` of queries from `from` on `-> [keys, queries]`.
    Tensor of(Tensor vectors, int from);
  }

  /// What positions give to each other in a block.
  static final class Given {
    private final Block block;
    private final Block.Steps steps;
    private final Tensor pattern; // [keys, queries, heads]
    private final Tensor values; // [keys, heads, dModel]
    private final Tensor stream;
    private final Tensor raw;
    private final Tensor added;
    private final int tokens;

    Given(Block block, Walk.Seen seen) {
      this.block = block;
      this.steps = block.steps();
      this.stream = seen.stream();
      this.tokens = (int) stream.size(0);
      this.raw = seen.at(Kind.ATTN_RAW);
      this.added = seen.at(Kind.ATTN_OUT);
      this.pattern = seen.at(Kind.PATTERN).select(0, 0).permute(2, 1, 0);
      Attention attention = block.attention();
      long[] shared = new long[attention.heads()];
      Arrays.setAll(shared, h -> (long) h * attention.kvHeads() / attention.heads());
      Tensor v = seen.values().get(Kind.V);
      if (v == null) {
        throw new IllegalStateException("values were not seen");
      }
      this.values = attention.headOut(v.indexSelect(1, shared)).wide();
    }

    /// The stream after attention, `[tokens, dModel]`.
    Tensor whole() {
      Tensor sum = stream.add(added);
      Norm after = steps.after1();
      return after == null ? sum : after.with(sum, after.scale(sum));
    }

    /// What of `whole` comes from no position: biases, `[1 or tokens, dModel]`.
    Tensor bias() {
      var out = block.attention().out();
      Tensor own =
          out.bias() == null
              ? Tensor.zeros(stream.dtype(), 1, stream.size(1))
              : out.bias().wide().unsqueeze(0);
      Norm post = steps.post1();
      Tensor returned =
          (post == null ? own : post.with(own, post.scale(raw))).mul(steps.multiplier());
      Norm after = steps.after1();
      return after == null ? returned : after.with(returned, after.scale(stream.add(added)));
    }

    /// Measures `T_i(x_j)`, `[queries, keys]`.
    Tensor chunked(Measure measure) {
      return moved((moved, from) -> {
        long queries = moved.size(1);
        Tensor own = stream.narrow(0, from, queries);
        long[] diagonal = new long[(int) queries];
        Arrays.setAll(diagonal, i -> (from + i) * queries + i);
        Tensor index = Tensor.of(diagonal, queries);
        Norm post = steps.post1();
        Tensor returned =
            post == null ? moved : post.linear(moved, post.scale(raw.narrow(0, from, queries)));
        Tensor vectors = plus(returned.mul(steps.multiplier()), index, own);
        Norm after = steps.after1();
        if (after != null) {
          vectors = after.linear(vectors, after.scale(own.add(added.narrow(0, from, queries))));
        }
        return measure.of(vectors, from);
      });
    }

    /// Measures `Σ_h α v W_O`, `[queries, keys]`.
    Tensor moved(Measure measure) {
      long each = 4L * tokens * stream.size(1) * stream.dtype().bytes();
      int chunk = Math.clamp(CHUNK_BYTES / each, 1, tokens);
      try (var scope = Scope.open()) {
        var parts = new ArrayList<Tensor>();
        for (int from = 0; from < tokens; from += chunk) {
          try (var inner = Scope.open()) {
            int count = Math.min(chunk, tokens - from);
            Tensor moved = pattern.narrow(1, from, count).matmul(values); // [keys, queries, dModel]
            parts.add(inner.escape(measure.of(moved, from).transpose(0, 1).contiguous()));
          }
        }
        return scope.escape(Tensor.cat(parts, 0));
      }
    }

    private static Tensor plus(Tensor vectors, Tensor index, Tensor own) {
      return vectors.flatten(0, 1).indexAdd(0, index, own).view(vectors.shape());
    }
  }
}
