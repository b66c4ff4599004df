package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.checkpoint.RopeConfig;
import dev.fathom.model.Activation;
import dev.fathom.model.Attention.Projections;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Mlp;
import dev.fathom.model.Rotary;
import dev.fathom.model.SequentialBlock;
import java.util.ArrayList;
import java.util.List;

/// Phi-3: LLaMA's block with fused projections, and LongRoPE frequencies in the long-context ones
/// (Abdin et al. 2024).
final class Phi3 {
  static final Family FAMILY =
      new Family("phi3", "Phi 3, 3.5, 4", List.of("Phi3ForCausalLM"), Phi3::read);

  private Phi3() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    Shapes s = Shapes.read(config);
    double eps = config.doubleOr(1e-5, "rms_norm_eps");
    int window = config.intOr(0, "sliding_window");
    boolean tied = config.boolOr(false, "tie_word_embeddings");
    Activation activation = Shapes.activation(config, "silu", "hidden_act");
    RopeConfig rope = config.rope(10_000);
    config.harmless("original_max_position_embeddings");
    config.mustBe("attention_bias", false);
    config.finish();

    weights.ledger().harmless(".*rotary_emb\\.inv_freq");
    Rotary rotary = Ropes.halves(rope, s.width());
    long q = (long) s.heads() * s.width();
    long kv = (long) s.kvHeads() * s.width();
    long fused = q + 2 * kv;
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = "model.layers." + l;
      String qkv = layer + ".self_attn.qkv_proj";
      String gateUp = layer + ".mlp.gate_up_proj";
      blocks.add(
          new SequentialBlock(
              weights.rmsNorm(layer + ".input_layernorm", s.dModel(), eps),
              Decoders.rotary(
                  s,
                  new Projections.Separate(
                      weights.rows(qkv, fused, 0, q, s.dModel(), false),
                      weights.rows(qkv, fused, q, q + kv, s.dModel(), false),
                      weights.rows(qkv, fused, q + kv, fused, s.dModel(), false)),
                  null,
                  rotary,
                  window,
                  Decoders.out(weights, layer + ".self_attn", s, false)),
              weights.rmsNorm(layer + ".post_attention_layernorm", s.dModel(), eps),
              new Mlp.Gated(
                  weights.rows(gateUp, 2L * s.dMlp(), 0, s.dMlp(), s.dModel(), false),
                  weights.rows(gateUp, 2L * s.dMlp(), s.dMlp(), 2L * s.dMlp(), s.dModel(), false),
                  activation,
                  weights.linear(layer + ".mlp.down_proj", s.dModel(), s.dMlp(), false))));
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
