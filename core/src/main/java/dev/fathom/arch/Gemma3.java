package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.checkpoint.RopeConfig;
import dev.fathom.model.Activation;
import dev.fathom.model.Attention;
import dev.fathom.model.Attention.QkNorm;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Rotary;
import dev.fathom.model.SandwichBlock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// Gemma 3: Gemma 2's block with query and key norms instead of soft-caps, and five window layers
/// with a lower rotary base between full ones (Gemma Team 2025).
final class Gemma3 {
  static final Family FAMILY =
      new Family("gemma3_text", "Gemma 3 (text)", List.of("Gemma3ForCausalLM"), Gemma3::read);

  private Gemma3() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    Shapes s = Shapes.read(config);
    double eps = config.doubleOr(1e-6, "rms_norm_eps");
    boolean attentionBias = config.boolOr(false, "attention_bias");
    boolean tied = config.boolOr(true, "tie_word_embeddings");
    double scoreCap = config.doubleOr(0, "attn_logit_softcapping");
    double logitCap = config.doubleOr(0, "final_logit_softcapping");
    double scale = 1 / Math.sqrt(config.doubleOr(256, "query_pre_attn_scalar"));
    int window = config.intOr(4096, "sliding_window");
    int pattern = Math.max(1, config.intOr(6, "sliding_window_pattern", "_sliding_window_pattern"));
    int[] windows = Windows.read(config, s.layers(), window, l -> (l + 1) % pattern != 0);
    Activation activation = Shapes.activation(config, "gelu_pytorch_tanh", "hidden_activation");
    Map<String, RopeConfig> ropes = config.ropeByLayerType(1_000_000, 10_000);
    config.harmless("hidden_act");
    config.mustBe("use_bidirectional_attention", false);
    config.finish();

    Rotary full = Ropes.halves(Objects.requireNonNull(ropes.get("full_attention")), s.width());
    Rotary local = Ropes.halves(Objects.requireNonNull(ropes.get("sliding_attention")), s.width());
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
                  new QkNorm(
                      weights.rmsNormPlusOne(attention + ".q_norm", s.width(), eps),
                      weights.rmsNormPlusOne(attention + ".k_norm", s.width(), eps),
                      true),
                  windows[l] == 0 ? full : local,
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
