package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.checkpoint.RopeConfig;
import dev.fathom.model.Activation;
import dev.fathom.model.Attention;
import dev.fathom.model.Attention.Projections;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Mlp;
import dev.fathom.model.Norm;
import dev.fathom.model.ParallelBlock;
import dev.fathom.model.Rotary;
import dev.fathom.model.SequentialBlock;
import java.util.ArrayList;
import java.util.List;

/// Falcon: parallel blocks with shared or grouped keys; older small ones sequential with ALiBi
/// (Almazrouei et al. 2023).
final class Falcon {
  static final Family FAMILY =
      new Family("falcon", "Falcon", List.of("FalconForCausalLM"), Falcon::read);

  private Falcon() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    int d = config.requireInt("hidden_size");
    int heads = config.requireInt("num_attention_heads", "n_head");
    int layers = config.requireInt("num_hidden_layers", "n_layer");
    boolean grouped = config.boolOr(false, "new_decoder_architecture");
    boolean multiQuery = config.boolOr(true, "multi_query");
    int stated = config.intOr(heads, "num_kv_heads", "n_head_kv");
    int kvHeads = grouped ? stated : multiQuery ? 1 : heads;
    Shapes s =
        Shapes.checked(
            config,
            new Shapes(
                layers,
                d,
                heads,
                kvHeads,
                heads == 0 ? 0 : d / heads,
                config.intOr(4 * d, "ffn_hidden_size"),
                config.requireInt("vocab_size"),
                config.intOr(2048, "max_position_embeddings")));
    double eps = config.doubleOr(1e-5, "layer_norm_epsilon");
    boolean bias = config.boolOr(false, "bias");
    boolean alibi = config.boolOr(false, "alibi");
    boolean parallel = config.boolOr(true, "parallel_attn") || grouped;
    boolean twoNorms = grouped && config.intOr(2, "num_ln_in_parallel_attn") == 2;
    boolean tied = config.boolOr(true, "tie_word_embeddings");
    Activation activation = Shapes.activation(config, "gelu", "activation");
    RopeConfig rope = config.rope(10_000);
    config.finish();

    weights.ledger().harmless(".*rotary_emb\\.inv_freq|.*maybe_rotary\\.inv_freq");
    Rotary rotary = alibi ? null : Ropes.halves(rope, s.width());
    float[] slopes = alibi ? scaled(Decoders.alibiSlopes(heads), s.softmaxScale()) : null;
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < layers; l++) {
      String layer = "transformer.h." + l;
      String names = layer + ".self_attention";
      long fused = (long) (heads + 2 * kvHeads) * s.width();
      Attention attention =
          new Attention(
              heads,
              kvHeads,
              s.width(),
              new Projections.Fused(
                  weights.linear(names + ".query_key_value", fused, d, bias), kvHeads),
              null,
              rotary,
              slopes,
              0,
              0,
              s.softmaxScale(),
              true,
              weights.linear(names + ".dense", d, d, bias));
      Mlp mlp =
          new Mlp.Plain(
              weights.linear(layer + ".mlp.dense_h_to_4h", s.dMlp(), d, bias),
              activation,
              weights.linear(layer + ".mlp.dense_4h_to_h", d, s.dMlp(), bias));
      blocks.add(block(weights, layer, d, eps, parallel, twoNorms, attention, mlp));
    }
    String table = "transformer.word_embeddings.weight";
    return new Family.Parts(
        Embedding.plain(Decoders.table(weights, table, s)),
        blocks,
        new Head.Unembedding(
            weights.layerNorm("transformer.ln_f", d, eps),
            Decoders.head(weights, "lm_head", table, s, tied, false)),
        s.context(),
        true);
  }

  private static Block block(
      Weights weights,
      String layer,
      int d,
      double eps,
      boolean parallel,
      boolean twoNorms,
      Attention attention,
      Mlp mlp) {
    if (twoNorms) {
      return new ParallelBlock(
          weights.layerNorm(layer + ".ln_attn", d, eps),
          attention,
          weights.layerNorm(layer + ".ln_mlp", d, eps),
          mlp);
    }
    Norm norm = weights.layerNorm(layer + ".input_layernorm", d, eps);
    return parallel
        ? new ParallelBlock(norm, attention, norm, mlp)
        : new SequentialBlock(
            norm, attention, weights.layerNorm(layer + ".post_attention_layernorm", d, eps), mlp);
  }

  /// This family scales its scores after adding the bias, so the bias is scaled too.
  private static float[] scaled(float[] slopes, double scale) {
    float[] result = slopes.clone();
    for (int h = 0; h < result.length; h++) {
      result[h] *= (float) scale;
    }
    return result;
  }
}
