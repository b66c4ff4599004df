package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.checkpoint.RopeConfig;
import dev.fathom.model.Activation;
import dev.fathom.model.Attention.QkNorm;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Rotary;
import dev.fathom.model.SandwichBlock;
import java.util.ArrayList;
import java.util.List;

/// OLMo 2: norms only after the sublayers, and norms over whole queries and keys (OLMo Team 2024).
final class Olmo2 {
  static final Family FAMILY =
      new Family("olmo2", "OLMo 2", List.of("Olmo2ForCausalLM"), Olmo2::read);

  private Olmo2() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    Shapes s = Shapes.read(config);
    double eps = config.doubleOr(1e-5, "rms_norm_eps");
    boolean attentionBias = config.boolOr(false, "attention_bias");
    boolean tied = config.boolOr(false, "tie_word_embeddings");
    Activation activation = Shapes.activation(config, "silu", "hidden_act");
    RopeConfig rope = config.rope(10_000);
    config.finish();

    Rotary rotary = Ropes.halves(rope, s.width());
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = "model.layers." + l;
      String attention = layer + ".self_attn";
      blocks.add(
          new SandwichBlock(
              null,
              Decoders.rotary(
                  s,
                  Decoders.separate(weights, attention, s, attentionBias),
                  new QkNorm(
                      weights.rmsNorm(attention + ".q_norm", (long) s.heads() * s.width(), eps),
                      weights.rmsNorm(attention + ".k_norm", (long) s.kvHeads() * s.width(), eps),
                      false),
                  rotary,
                  0,
                  Decoders.out(weights, attention, s, attentionBias)),
              weights.rmsNorm(layer + ".post_attention_layernorm", s.dModel(), eps),
              null,
              Decoders.gated(weights, layer + ".mlp", s, activation, false),
              weights.rmsNorm(layer + ".post_feedforward_layernorm", s.dModel(), eps)));
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
