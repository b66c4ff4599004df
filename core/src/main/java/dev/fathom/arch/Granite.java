package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.checkpoint.RopeConfig;
import dev.fathom.model.Activation;
import dev.fathom.model.Attention;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Rotary;
import dev.fathom.model.SequentialBlock;
import java.util.ArrayList;
import java.util.List;

/// Granite: LLaMA's block with four multipliers: on embeddings, scores, what sublayers add, and
/// logits.
final class Granite {
  static final Family FAMILY =
      new Family("granite", "Granite 3", List.of("GraniteForCausalLM"), Granite::read);

  private Granite() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    Shapes s = Shapes.read(config);
    double eps = config.doubleOr(1e-6, "rms_norm_eps");
    boolean attentionBias = config.boolOr(false, "attention_bias");
    boolean mlpBias = config.boolOr(false, "mlp_bias");
    boolean tied = config.boolOr(false, "tie_word_embeddings");
    double onEmbedding = config.doubleOr(1, "embedding_multiplier");
    double onScores = config.doubleOr(1, "attention_multiplier");
    double onResidual = config.doubleOr(1, "residual_multiplier");
    double logitsScaling = config.doubleOr(1, "logits_scaling");
    Activation activation = Shapes.activation(config, "silu", "hidden_act");
    RopeConfig rope = config.rope(10_000);
    if (logitsScaling == 0) {
      config.refuse("logits_scaling", "is 0, but logits are divided by it");
    }
    config.finish();

    Rotary rotary = Ropes.halves(rope, s.width());
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = "model.layers." + l;
      String attention = layer + ".self_attn";
      blocks.add(
          new SequentialBlock(
              weights.rmsNorm(layer + ".input_layernorm", s.dModel(), eps),
              new Attention(
                  s.heads(),
                  s.kvHeads(),
                  s.width(),
                  Decoders.separate(weights, attention, s, attentionBias),
                  null,
                  rotary,
                  null,
                  0,
                  0,
                  onScores,
                  true,
                  Decoders.out(weights, attention, s, attentionBias)),
              weights.rmsNorm(layer + ".post_attention_layernorm", s.dModel(), eps),
              Decoders.gated(weights, layer + ".mlp", s, activation, mlpBias),
              onResidual));
    }
    String table = "model.embed_tokens.weight";
    return new Family.Parts(
        new Embedding(Decoders.table(weights, table, s), onEmbedding, null, null, null),
        blocks,
        new Head.Unembedding(
            weights.rmsNorm("model.norm", s.dModel(), eps),
            Decoders.head(weights, "lm_head", table, s, tied, false),
            1 / logitsScaling,
            0),
        s.context(),
        true);
  }
}
