package dev.fathom.model;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import dev.fathom.tensor.Weight;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Random models small enough for identities: dModel 16, 4 heads of width 4, dMlp 32, vocabulary
/// 50, 3 blocks, 64 positions. Every gain, bias, multiplier and cap is away from its neutral value,
/// so that none can be forgotten unnoticed.
///
/// ```java
/// try (var scope = Scope.withoutGradients();
///     var tiny = TinyModels.llama(DType.F64)) {
///   Tensor logits = tiny.model().forward(tiny.ids(7), Pass.over(Layout.single(7)));
/// }
/// ```
public final class TinyModels {
  public static final int D_MODEL = 16;
  public static final int HEADS = 4;
  public static final int WIDTH = 4;
  public static final int D_MLP = 32;
  public static final int VOCABULARY = 50;
  public static final int LAYERS = 3;
  public static final int CONTEXT = 64;
  public static final int WINDOW = 3;

  static {
    Threads.set(1); // more only wait for each other over products this small
  }

  private TinyModels() {}

  /// The four orders of steps; a post-norm model is an encoder.
  public enum Order {
    SEQUENTIAL,
    PARALLEL,
    SANDWICH,
    POST_NORM
  }

  public enum NormKind {
    LAYER,
    RMS
  }

  public enum MlpKind {
    GELU,
    RELU,
    SILU_GATED
  }

  public enum PositionKind {
    LEARNED,
    ROTARY,
    ROTARY_INTERLEAVED,
    ALIBI,
    SINUSOIDAL
  }

  /// What some families do besides.
  public enum Extra {
    /// Two key/value heads instead of four.
    GROUPED_HEADS,
    /// Layer 1 sees only the last [#WINDOW] keys (decoders).
    WINDOW,
    /// Scores soft-capped at 2.
    SCORE_CAP,
    /// Logits soft-capped at 3 and scaled by 0.7 (not with a masked-LM head).
    LOGIT_CAP,
    /// Embedding times 1.7, sublayers times 0.6 (sequential blocks), scores by 0.3 instead of 0.5.
    MULTIPLIERS,
    /// Query and key norm over each head.
    HEAD_NORM,
    /// Query and key norm over all heads together.
    WHOLE_NORM,
    /// q, k and v from one map.
    FUSED,
    /// Normalised embeddings.
    EMBED_NORM,
    /// Segment embedding.
    TOKEN_TYPE,
    /// Only half of each head's channels are turned (rotary).
    PARTIAL_ROTARY,
    /// No norms before the sublayers (sandwich).
    NO_PRE_NORM,
    /// One norm for both sublayers (parallel).
    SHARED_NORM,
    /// Weights stored `[in, out]`.
    TRANSPOSED,
    /// The head reads with the embedding table.
    TIED
  }

  /// One combination.
  public record Variant(
      Order order,
      NormKind norm,
      MlpKind mlp,
      PositionKind positions,
      boolean biases,
      Set<Extra> extras,
      DType dtype,
      long seed) {
    public Variant {
      extras = Set.copyOf(extras);
    }

    public boolean has(Extra extra) {
      return extras.contains(extra);
    }

    public boolean causal() {
      return order != Order.POST_NORM;
    }

    public int kvHeads() {
      return has(Extra.GROUPED_HEADS) ? 2 : HEADS;
    }

    public Variant with(DType dtype) {
      return new Variant(order, norm, mlp, positions, biases, extras, dtype, seed);
    }

    public Variant with(Extra... more) {
      var all = EnumSet.noneOf(Extra.class);
      all.addAll(extras);
      all.addAll(List.of(more));
      return new Variant(order, norm, mlp, positions, biases, all, dtype, seed);
    }

    @Override
    public String toString() {
      return "%s %s %s %s%s %s %s seed %d"
          .formatted(
              order,
              norm,
              mlp,
              positions,
              biases ? " biases" : "",
              extras.stream().sorted().map(Enum::name).collect(Collectors.joining("+", "[", "]")),
              dtype,
              seed);
    }
  }

  /// A model and the memory behind it.
  public record TinyModel(Variant variant, Transformer model) implements AutoCloseable {
    /// `n` ids below the vocabulary, the same at every call.
    public Tensor ids(int n) {
      return Tensor.of(idArray(n, 0), n);
    }

    /// `n` ids below the vocabulary, others for another seed.
    public static int[] idArray(int n, long seed) {
      return new Random(seed * 31 + n).ints(n, 0, VOCABULARY).toArray();
    }

    @Override
    public void close() {
      model.close();
    }

    @Override
    public String toString() {
      return variant.toString();
    }
  }

  /// LLaMA's shape: RMSNorm, gated SiLU, rotary, grouped heads, no biases.
  public static TinyModel llama(DType dtype) {
    return of(
        new Variant(
            Order.SEQUENTIAL,
            NormKind.RMS,
            MlpKind.SILU_GATED,
            PositionKind.ROTARY,
            false,
            Set.of(Extra.GROUPED_HEADS),
            dtype,
            1));
  }

  /// GPT-2's shape: LayerNorm, GELU, learned positions, biases, transposed weights, tied head.
  public static TinyModel gpt2(DType dtype) {
    return of(
        new Variant(
            Order.SEQUENTIAL,
            NormKind.LAYER,
            MlpKind.GELU,
            PositionKind.LEARNED,
            true,
            Set.of(Extra.TRANSPOSED, Extra.TIED),
            dtype,
            2));
  }

  /// GPT-NeoX's shape: parallel blocks, fused projections, partly rotary.
  public static TinyModel neox(DType dtype) {
    return of(
        new Variant(
            Order.PARALLEL,
            NormKind.LAYER,
            MlpKind.GELU,
            PositionKind.ROTARY,
            true,
            Set.of(Extra.FUSED, Extra.PARTIAL_ROTARY),
            dtype,
            3));
  }

  /// Gemma 2's shape: sandwich norms, window, caps, embedding scale, tied head.
  public static TinyModel gemma(DType dtype) {
    return of(
        new Variant(
            Order.SANDWICH,
            NormKind.RMS,
            MlpKind.SILU_GATED,
            PositionKind.ROTARY,
            false,
            Set.of(
                Extra.GROUPED_HEADS,
                Extra.WINDOW,
                Extra.SCORE_CAP,
                Extra.LOGIT_CAP,
                Extra.MULTIPLIERS,
                Extra.TIED),
            dtype,
            4));
  }

  /// BLOOM's shape: ALiBi, normalised embeddings, fused projections.
  public static TinyModel bloom(DType dtype) {
    return of(
        new Variant(
            Order.SEQUENTIAL,
            NormKind.LAYER,
            MlpKind.GELU,
            PositionKind.ALIBI,
            true,
            Set.of(Extra.FUSED, Extra.EMBED_NORM, Extra.TIED),
            dtype,
            5));
  }

  /// BERT's shape: an encoder with post-norm blocks and a masked-LM head.
  public static TinyModel bert(DType dtype) {
    return of(
        new Variant(
            Order.POST_NORM,
            NormKind.LAYER,
            MlpKind.GELU,
            PositionKind.LEARNED,
            true,
            Set.of(Extra.EMBED_NORM, Extra.TOKEN_TYPE, Extra.TIED),
            dtype,
            6));
  }

  /// Every combination of order, norm, MLP, positions and biases (240), each with some extras.
  public static List<Variant> every(DType dtype) {
    var variants = new ArrayList<Variant>();
    for (Order order : Order.values()) {
      for (NormKind norm : NormKind.values()) {
        for (MlpKind mlp : MlpKind.values()) {
          for (PositionKind positions : PositionKind.values()) {
            for (boolean biases : new boolean[] {false, true}) {
              long seed = variants.size() + 100L;
              variants.add(
                  new Variant(
                      order,
                      norm,
                      mlp,
                      positions,
                      biases,
                      extras(order, positions, seed),
                      dtype,
                      seed));
            }
          }
        }
      }
    }
    return variants;
  }

  /// A tenth of [#every], in which each value of each axis meets each block order.
  public static List<Variant> some(DType dtype) {
    var variants = new ArrayList<Variant>();
    int turn = 0;
    for (Order order : Order.values()) {
      for (int i = 0; i < 6; i++) {
        PositionKind positions = PositionKind.values()[i % 5];
        long seed = 10L * turn + i + 1000;
        variants.add(
            new Variant(
                order,
                NormKind.values()[(i + turn) % 2],
                MlpKind.values()[(i + turn) % 3],
                positions,
                (i / 2 + turn) % 2 == 0,
                extras(order, positions, seed),
                dtype,
                seed));
      }
      turn++;
    }
    return variants;
  }

  /// A third of the extras that make sense, another third for another seed.
  private static Set<Extra> extras(Order order, PositionKind positions, long seed) {
    var random = new Random(seed);
    random.nextInt();
    var extras = EnumSet.noneOf(Extra.class);
    for (Extra extra : Extra.values()) {
      boolean sensible =
          switch (extra) {
            case WINDOW -> order != Order.POST_NORM;
            case WHOLE_NORM -> !extras.contains(Extra.HEAD_NORM);
            case PARTIAL_ROTARY ->
                positions == PositionKind.ROTARY || positions == PositionKind.ROTARY_INTERLEAVED;
            case NO_PRE_NORM -> order == Order.SANDWICH;
            case SHARED_NORM -> order == Order.PARALLEL;
            default -> true;
          };
      if (sensible && random.nextInt(3) == 0) {
        extras.add(extra);
      }
    }
    return extras;
  }

  public static TinyModel of(Variant variant) {
    return new Maker(variant).make();
  }

  /// Draws the weights of one variant, in a fixed order.
  private static final class Maker {
    private final Variant v;
    private final Random random;
    private final List<Tensor> owned = new ArrayList<>();
    private long parameters;

    Maker(Variant variant) {
      this.v = variant;
      this.random = new Random(variant.seed());
    }

    TinyModel make() {
      try (var _ = Scope.withoutGradients()) {
        Tensor table = normal(0, 1, VOCABULARY, D_MODEL);
        var embedding =
            new Embedding(
                table,
                v.has(Extra.MULTIPLIERS) ? 1.7 : 1,
                positions(),
                v.has(Extra.TOKEN_TYPE) ? normal(0, 0.5, D_MODEL) : null,
                v.has(Extra.EMBED_NORM) ? norm(D_MODEL) : null);
        Rotary rotary = rotary();
        var blocks = new ArrayList<Block>();
        for (int layer = 0; layer < LAYERS; layer++) {
          blocks.add(block(layer, rotary));
        }
        Head head = head(table);
        var card =
            new Transformer.Card(
                "tiny",
                v.toString(),
                () -> "0".repeat(64),
                CONTEXT,
                parameters,
                v.dtype(),
                v.causal(),
                List.of());
        return new TinyModel(
            v, new Transformer(card, embedding, blocks, head, () -> owned.forEach(Tensor::free)));
      }
    }

    private Block block(int layer, @Nullable Rotary rotary) {
      String at = "model.layers." + layer;
      return switch (v.order()) {
        case SEQUENTIAL ->
            new SequentialBlock(
                norm(D_MODEL),
                attention(at, layer, rotary),
                norm(D_MODEL),
                mlp(at),
                v.has(Extra.MULTIPLIERS) ? 0.6 : 1);
        case PARALLEL -> {
          Norm first = norm(D_MODEL);
          yield new ParallelBlock(
              first,
              attention(at, layer, rotary),
              v.has(Extra.SHARED_NORM) ? first : norm(D_MODEL),
              mlp(at));
        }
        case SANDWICH ->
            new SandwichBlock(
                v.has(Extra.NO_PRE_NORM) ? null : norm(D_MODEL),
                attention(at, layer, rotary),
                norm(D_MODEL),
                v.has(Extra.NO_PRE_NORM) ? null : norm(D_MODEL),
                mlp(at),
                norm(D_MODEL));
        case POST_NORM ->
            new PostNormBlock(attention(at, layer, rotary), norm(D_MODEL), mlp(at), norm(D_MODEL));
      };
    }

    private Attention attention(String at, int layer, @Nullable Rotary rotary) {
      int kvHeads = v.kvHeads();
      Attention.Projections projections =
          v.has(Extra.FUSED)
              ? new Attention.Projections.Fused(
                  linear(
                      at + ".self_attn.qkv_proj.weight", D_MODEL, (HEADS + 2L * kvHeads) * WIDTH),
                  kvHeads)
              : new Attention.Projections.Separate(
                  linear(at + ".self_attn.q_proj.weight", D_MODEL, HEADS * WIDTH),
                  linear(at + ".self_attn.k_proj.weight", D_MODEL, (long) kvHeads * WIDTH),
                  linear(at + ".self_attn.v_proj.weight", D_MODEL, (long) kvHeads * WIDTH));
      Attention.QkNorm norms = null;
      if (v.has(Extra.HEAD_NORM)) {
        norms = new Attention.QkNorm(norm(WIDTH), norm(WIDTH), true);
      } else if (v.has(Extra.WHOLE_NORM)) {
        norms = new Attention.QkNorm(norm(HEADS * WIDTH), norm((long) kvHeads * WIDTH), false);
      }
      return new Attention(
          HEADS,
          kvHeads,
          WIDTH,
          projections,
          norms,
          rotary,
          v.positions() == PositionKind.ALIBI ? new float[] {0.25f, 0.0625f, 0.5f, 0.125f} : null,
          v.has(Extra.WINDOW) && layer == 1 ? WINDOW : 0,
          v.has(Extra.SCORE_CAP) ? 2 : 0,
          v.has(Extra.MULTIPLIERS) ? 0.3 : 0.5,
          v.causal(),
          linear(at + ".self_attn.o_proj.weight", HEADS * WIDTH, D_MODEL));
    }

    private Mlp mlp(String at) {
      return switch (v.mlp()) {
        case GELU ->
            new Mlp.Plain(
                linear(at + ".mlp.c_fc.weight", D_MODEL, D_MLP),
                Activation.GELU,
                linear(at + ".mlp.c_proj.weight", D_MLP, D_MODEL));
        case RELU ->
            new Mlp.Plain(
                linear(at + ".mlp.c_fc.weight", D_MODEL, D_MLP),
                Activation.RELU,
                linear(at + ".mlp.c_proj.weight", D_MLP, D_MODEL));
        case SILU_GATED ->
            new Mlp.Gated(
                linear(at + ".mlp.gate_proj.weight", D_MODEL, D_MLP),
                linear(at + ".mlp.up_proj.weight", D_MODEL, D_MLP),
                Activation.SILU,
                linear(at + ".mlp.down_proj.weight", D_MLP, D_MODEL));
      };
    }

    private Head head(Tensor table) {
      if (v.order() == Order.POST_NORM) {
        return new Head.MaskedLm(
            linear("head.transform.weight", D_MODEL, D_MODEL),
            Activation.GELU,
            norm(D_MODEL),
            out(table));
      }
      boolean capped = v.has(Extra.LOGIT_CAP);
      return new Head.Unembedding(norm(D_MODEL), out(table), capped ? 0.7 : 1, capped ? 3 : 0);
    }

    private Linear out(Tensor table) {
      if (!v.has(Extra.TIED)) {
        return linear("lm_head.weight", D_MODEL, VOCABULARY);
      }
      return new Linear(
          Weight.of(table),
          v.biases() ? normal(0, 0.3, VOCABULARY) : null,
          new Linear.Origin("lm_head.weight", 0, VOCABULARY, false, "model.embed_tokens.weight"));
    }

    private @Nullable Positions positions() {
      return switch (v.positions()) {
        case LEARNED -> new Positions.Learned(normal(0, 0.7, CONTEXT + 2, D_MODEL), 2);
        case SINUSOIDAL -> new Positions.Sinusoidal(D_MODEL);
        case ROTARY, ROTARY_INTERLEAVED, ALIBI -> null;
      };
    }

    private @Nullable Rotary rotary() {
      float[] frequencies =
          v.has(Extra.PARTIAL_ROTARY) ? new float[] {0.7f} : new float[] {1, 0.1f};
      return switch (v.positions()) {
        case ROTARY -> Rotary.of(frequencies, false, v.has(Extra.MULTIPLIERS) ? 1.1 : 1);
        case ROTARY_INTERLEAVED -> Rotary.of(frequencies, true, 1);
        case LEARNED, ALIBI, SINUSOIDAL -> null;
      };
    }

    private Norm norm(long width) {
      return switch (v.norm()) {
        case LAYER ->
            new Norm.LayerNorm(
                normal(1, 0.3, width), v.biases() ? normal(0, 0.3, width) : null, 1e-3);
        case RMS -> new Norm.RmsNorm(normal(1, 0.3, width), 1e-3);
      };
    }

    private Linear linear(String name, long in, long out) {
      boolean transposed = v.has(Extra.TRANSPOSED);
      double size = 1.5 / Math.sqrt((double) in);
      Weight weight =
          Weight.of(
              transposed
                  ? own(normal(0, size, in, out).transpose(0, 1))
                  : normal(0, size, out, in));
      return new Linear(
          weight,
          v.biases() ? normal(0, 0.3, out) : null,
          new Linear.Origin(name, 0, out, transposed));
    }

    private Tensor normal(double mean, double deviation, long... shape) {
      int count = 1;
      for (long side : shape) {
        count = Math.multiplyExact(count, Math.toIntExact(side));
      }
      parameters += count;
      double[] values = new double[count];
      for (int i = 0; i < count; i++) {
        values[i] = mean + deviation * random.nextGaussian();
      }
      return own(Tensor.of(values, shape).to(v.dtype()));
    }

    private Tensor own(Tensor tensor) {
      Tensor kept = tensor.keep();
      owned.add(kept);
      return kept;
    }
  }
}
