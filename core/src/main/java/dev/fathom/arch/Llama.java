package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.checkpoint.RopeConfig;
import dev.fathom.model.Activation;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Rotary;
import dev.fathom.model.SequentialBlock;
import java.util.ArrayList;
import java.util.List;

/// LLaMA: pre-norm with RMSNorm, rotary positions, gated MLP (Touvron et al. 2023); grouped keys
/// and values and stretched rotary frequencies in LLaMA 2 and 3.
final class Llama {
  static final Family FAMILY =
      new Family("llama", "LLaMA 1, 2, 3 and its kin", List.of("LlamaForCausalLM"), Llama::read);

  private Llama() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    Shapes s = Shapes.read(config);
    double eps = config.doubleOr(1e-6, "rms_norm_eps");
    boolean attentionBias = config.boolOr(false, "attention_bias");
    boolean mlpBias = config.boolOr(false, "mlp_bias");
    boolean tied = config.boolOr(false, "tie_word_embeddings");
    Activation activation = Shapes.activation(config, "silu", "hidden_act");
    RopeConfig rope = config.rope(10_000);
    config.harmless("rope_interleaved", "is_llama_config");
    config.finish();

    weights.ledger().harmless(".*rotary_emb\\.inv_freq");
    Rotary rotary = Ropes.halves(rope, s.width());
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = "model.layers." + l;
      String attention = layer + ".self_attn";
      blocks.add(
          new SequentialBlock(
              weights.rmsNorm(layer + ".input_layernorm", s.dModel(), eps),
              Decoders.rotary(
                  s,
                  Decoders.separate(weights, attention, s, attentionBias),
                  null,
                  rotary,
                  0,
                  Decoders.out(weights, attention, s, attentionBias)),
              weights.rmsNorm(layer + ".post_attention_layernorm", s.dModel(), eps),
              Decoders.gated(weights, layer + ".mlp", s, activation, mlpBias)));
    }
    String table = "model.embed_tokens.weight";
    return new Family.Parts(
        Embedding.plain(Decoders.table(weights, table, s)),
        blocks,
        new Head.Unembedding(
            weights.rmsNorm("model.norm", s.dModel(), eps),
            Decoders.head(weights, "lm_head", table, s, tied, false)),
        s.context(),
        true);
  }
}
