package dev.fathom.model;

import java.util.Arrays;
import java.util.Optional;

/// The activations that have a name, in the order in which a sequential block computes them. The
/// text names are the ones used on the command line, in JSON and in files. Shapes: b batch, p
/// position, d dModel, h heads (kvHeads for k and v), w head width, m dMlp, q queries, k keys, v
/// vocabulary.
public enum Kind {
  /// `b p d` Token embedding as it comes from the table, after embedding scaling.
  EMBED("embed", false),
  /// `b p d` Learned or sinusoidal absolute positions.
  POS_EMBED("pos_embed", false),
  /// `b p d` BERT's segment embedding.
  TOKEN_TYPE_EMBED("token_type_embed", false),
  /// `b p d` Normalised embeddings (BLOOM, BERT): equals `resid_pre.0`.
  EMBED_NORM("embed_norm", false),
  /// `b p d` The stream entering a block.
  RESID_PRE("resid_pre", true),
  /// `b p 1` Divisor of the norm before attention (after it in post-norm blocks).
  NORM_SCALE_ATTN("norm_scale.attn", true),
  /// `b p d` What attention reads, after the norm with its gain.
  ATTN_IN("attn_in", true),
  /// `b p h w` Queries before rotary positions and query norm.
  Q("q", true),
  /// `b p h w` Keys before rotary positions and key norm.
  K("k", true),
  /// `b p h w` Values.
  V("v", true),
  /// `b p h w` Queries as they enter the scores.
  Q_ROT("q_rot", true),
  /// `b p h w` Keys as they enter the scores.
  K_ROT("k_rot", true),
  /// `b h q k` Before the softmax: scaled, soft-capped, masked with -inf.
  SCORES("scores", true),
  /// `b h q k` After the softmax.
  PATTERN("pattern", true),
  /// `b p h w` Pattern-weighted values, before W_O.
  Z("z", true),
  /// `b p h d` Contribution of each head; sums to `attn_raw` less its bias.
  HEAD_OUT("head_out", true),
  /// `b p d` What the attention module returns.
  ATTN_RAW("attn_raw", true),
  /// `b p d` What attention adds to the stream, after post-norm and multiplier.
  ATTN_OUT("attn_out", true),
  /// `b p d` The stream between the two sublayers; parallel blocks have none.
  RESID_MID("resid_mid", true),
  /// `b p 1` Divisor of the norm before the MLP (after it in post-norm blocks).
  NORM_SCALE_MLP("norm_scale.mlp", true),
  /// `b p d` What the MLP reads.
  MLP_IN("mlp_in", true),
  /// `b p m` Gate before its activation; in a plain MLP the pre-activation.
  MLP_GATE("mlp_gate", true),
  /// `b p m` Linear branch of a gated MLP.
  MLP_UP("mlp_up", true),
  /// `b p m` Neuron activations: what W_out reads.
  MLP_ACT("mlp_act", true),
  /// `b p d` What the MLP module returns.
  MLP_RAW("mlp_raw", true),
  /// `b p d` What the MLP adds to the stream, after post-norm and multiplier.
  MLP_OUT("mlp_out", true),
  /// `b p d` The stream leaving a block.
  RESID_POST("resid_post", true),
  /// `b p 1` Divisor of the final norm.
  NORM_SCALE_FINAL("norm_scale.final", false),
  /// `b p d` What the head reads.
  FINAL_NORM("final_norm", false),
  /// `b p v` After logit scaling and soft-cap.
  LOGITS("logits", false);

  private final String text;
  private final boolean layered;

  Kind(String text, boolean layered) {
    this.text = text;
    this.layered = layered;
  }

  /// The name in addresses, such as `resid_post`.
  public String text() {
    return text;
  }

  /// Whether each block has one.
  public boolean layered() {
    return layered;
  }

  /// Whether the value has one matrix a head, `[rows, heads, queries, keys]`, instead of a row a
  /// token.
  public boolean pairwise() {
    return this == SCORES || this == PATTERN;
  }

  /// Whether the second axis counts heads.
  public boolean perHead() {
    return switch (this) {
      case Q, K, V, Q_ROT, K_ROT, Z, HEAD_OUT, SCORES, PATTERN -> true;
      default -> false;
    };
  }

  public static Optional<Kind> named(String text) {
    return Arrays.stream(values()).filter(kind -> kind.text.equals(text)).findFirst();
  }
}
