package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.model.Activation;
import dev.fathom.model.Attention.Projections;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Mlp;
import dev.fathom.model.SequentialBlock;
import java.util.ArrayList;
import java.util.List;

/// BLOOM: pre-norm with ALiBi, normalised embeddings, q/k/v fused head by head (Workshop et al.
/// 2022).
final class Bloom {
  static final Family FAMILY =
      new Family("bloom", "BLOOM", List.of("BloomForCausalLM"), Bloom::read);

  private Bloom() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    int d = config.requireInt("hidden_size", "n_embed");
    int heads = config.requireInt("n_head", "num_attention_heads");
    Shapes s =
        Shapes.checked(
            config,
            new Shapes(
                config.requireInt("n_layer", "num_hidden_layers"),
                d,
                heads,
                heads,
                heads == 0 ? 0 : d / heads,
                4 * d,
                config.requireInt("vocab_size"),
                config.intOr(2048, "seq_length", "max_position_embeddings")));
    double eps = config.doubleOr(1e-5, "layer_norm_epsilon");
    boolean tied = config.boolOr(true, "tie_word_embeddings");
    config
        .mustBe("apply_residual_connection_post_layernorm", false)
        .harmless(
            "attention_softmax_in_fp32",
            "bias_dropout_fusion",
            "masked_softmax_fusion",
            "offset_alibi",
            "skip_bias_add",
            "skip_bias_add_qkv",
            "unk_token_id");
    config.finish();

    weights.ledger().optionalPrefix("transformer.");
    float[] slopes = Decoders.alibiSlopes(heads);
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = "transformer.h." + l;
      String attention = layer + ".self_attention";
      blocks.add(
          new SequentialBlock(
              weights.layerNorm(layer + ".input_layernorm", d, eps),
              Decoders.absolute(
                  s,
                  new Projections.Fused(
                      weights.linear(attention + ".query_key_value", 3L * d, d, true), heads),
                  slopes,
                  0,
                  s.softmaxScale(),
                  weights.linear(attention + ".dense", d, d, true)),
              weights.layerNorm(layer + ".post_attention_layernorm", d, eps),
              new Mlp.Plain(
                  weights.linear(layer + ".mlp.dense_h_to_4h", s.dMlp(), d, true),
                  Activation.GELU_TANH,
                  weights.linear(layer + ".mlp.dense_4h_to_h", d, s.dMlp(), true))));
    }
    String table = "transformer.word_embeddings.weight";
    return new Family.Parts(
        new Embedding(
            Decoders.table(weights, table, s),
            1,
            null,
            null,
            weights.layerNorm("transformer.word_embeddings_layernorm", d, eps)),
        blocks,
        new Head.Unembedding(
            weights.layerNorm("transformer.ln_f", d, eps),
            Decoders.head(weights, "lm_head", table, s, tied, false)),
        s.context(),
        true);
  }
}
