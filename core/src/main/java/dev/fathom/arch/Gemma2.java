package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.checkpoint.RopeConfig;
import dev.fathom.model.Activation;
import dev.fathom.model.Attention;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Rotary;
import dev.fathom.model.SandwichBlock;
import java.util.ArrayList;
import java.util.List;

/// Gemma 2: norms before and after each sublayer, soft-capped scores and logits, a window in every
/// other layer (Gemma Team 2024b).
final class Gemma2 {
  static final Family FAMILY =
      new Family("gemma2", "Gemma 2", List.of("Gemma2ForCausalLM"), Gemma2::read);

  private Gemma2() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    Shapes s = Shapes.read(config);
    double eps = config.doubleOr(1e-6, "rms_norm_eps");
    boolean attentionBias = config.boolOr(false, "attention_bias");
    boolean tied = config.boolOr(true, "tie_word_embeddings");
    double scoreCap = config.doubleOr(0, "attn_logit_softcapping");
    double logitCap = config.doubleOr(0, "final_logit_softcapping");
    double scale = 1 / Math.sqrt(config.doubleOr(256, "query_pre_attn_scalar"));
    int window = config.intOr(4096, "sliding_window");
    int[] windows = Windows.read(config, s.layers(), window, l -> l % 2 == 0);
    Activation activation = Shapes.activation(config, "gelu_pytorch_tanh", "hidden_activation");
    RopeConfig rope = config.rope(10_000);
    config.harmless("hidden_act", "sliding_window_size");
    config.mustBe("use_bidirectional_attention", false);
    config.finish();

    Rotary rotary = Ropes.halves(rope, s.width());
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = "model.layers." + l;
      String attention = layer + ".self_attn";
      blocks.add(
          new SandwichBlock(
              weights.rmsNormPlusOne(layer + ".input_layernorm", s.dModel(), eps),
              new Attention(
                  s.heads(),
                  s.kvHeads(),
                  s.width(),
                  Decoders.separate(weights, attention, s, attentionBias),
                  null,
                  rotary,
                  null,
                  windows[l],
                  scoreCap,
                  scale,
                  true,
                  Decoders.out(weights, attention, s, attentionBias)),
              weights.rmsNormPlusOne(layer + ".post_attention_layernorm", s.dModel(), eps),
              weights.rmsNormPlusOne(layer + ".pre_feedforward_layernorm", s.dModel(), eps),
              Decoders.gated(weights, layer + ".mlp", s, activation, false),
              weights.rmsNormPlusOne(layer + ".post_feedforward_layernorm", s.dModel(), eps)));
    }
    String table = "model.embed_tokens.weight";
    return new Family.Parts(
        new Embedding(Decoders.table(weights, table, s), Math.sqrt(s.dModel()), null, null, null),
        blocks,
        new Head.Unembedding(
            weights.rmsNormPlusOne("model.norm", s.dModel(), eps),
            Decoders.head(weights, "lm_head", table, s, tied, false),
            1,
            logitCap),
        s.context(),
        true);
  }
}
