package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.checkpoint.RopeConfig;
import dev.fathom.model.Activation;
import dev.fathom.model.Attention.QkNorm;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Rotary;
import dev.fathom.model.SequentialBlock;
import java.util.ArrayList;
import java.util.List;

/// Qwen 3: LLaMA's block with a norm on every head's query and key (Yang et al. 2025).
final class Qwen3 {
  static final Family FAMILY =
      new Family("qwen3", "Qwen 3", List.of("Qwen3ForCausalLM"), Qwen3::read);

  private Qwen3() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    Shapes s = Shapes.read(config);
    double eps = config.doubleOr(1e-6, "rms_norm_eps");
    boolean sliding = config.boolOr(false, "use_sliding_window");
    int window = config.intOr(0, "sliding_window");
    int firstSliding = config.intOr(28, "max_window_layers");
    int[] windows = Windows.read(config, s.layers(), sliding ? window : 0, l -> l >= firstSliding);
    boolean tied = config.boolOr(false, "tie_word_embeddings");
    boolean bias = config.boolOr(false, "attention_bias");
    Activation activation = Shapes.activation(config, "silu", "hidden_act");
    RopeConfig rope = config.rope(10_000);
    config.harmless("use_mrope");
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
                  Decoders.separate(weights, attention, s, bias),
                  new QkNorm(
                      weights.rmsNorm(attention + ".q_norm", s.width(), eps),
                      weights.rmsNorm(attention + ".k_norm", s.width(), eps),
                      true),
                  rotary,
                  windows[l],
                  Decoders.out(weights, attention, s, bias)),
              weights.rmsNorm(layer + ".post_attention_layernorm", s.dModel(), eps),
              Decoders.gated(weights, layer + ".mlp", s, activation, false)));
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
