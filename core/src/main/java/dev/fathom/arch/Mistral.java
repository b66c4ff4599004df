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

/// Mistral: LLaMA's block with a sliding window over the keys (Jiang et al. 2023).
final class Mistral {
  static final Family FAMILY =
      new Family("mistral", "Mistral", List.of("MistralForCausalLM"), Mistral::read);

  private Mistral() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    Shapes s = Shapes.read(config);
    double eps = config.doubleOr(1e-6, "rms_norm_eps");
    int window = config.intOr(0, "sliding_window");
    boolean tied = config.boolOr(false, "tie_word_embeddings");
    Activation activation = Shapes.activation(config, "silu", "hidden_act");
    RopeConfig rope = config.rope(10_000);
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
                  Decoders.separate(weights, attention, s, false),
                  null,
                  rotary,
                  window,
                  Decoders.out(weights, attention, s, false)),
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
