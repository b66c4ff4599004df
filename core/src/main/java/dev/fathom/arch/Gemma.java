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

/// Gemma: LLaMA's block with gains stored less one, embeddings times √dModel and a tanh-GELU gate
/// (Gemma Team 2024).
final class Gemma {
  static final Family FAMILY =
      new Family("gemma", "Gemma 1", List.of("GemmaForCausalLM"), Gemma::read);

  private Gemma() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    Shapes s = Shapes.read(config);
    double eps = config.doubleOr(1e-6, "rms_norm_eps");
    boolean attentionBias = config.boolOr(false, "attention_bias");
    boolean tied = config.boolOr(true, "tie_word_embeddings");
    RopeConfig rope = config.rope(10_000);
    // the published files say "gelu" and mean its tanh form
    config.mustBeOneOf("hidden_act", List.of("gelu", "gelu_pytorch_tanh"));
    config.mustBe("hidden_activation", "gelu_pytorch_tanh");
    config.mustBe("use_bidirectional_attention", false);
    config.finish();

    Rotary rotary = Ropes.halves(rope, s.width());
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = "model.layers." + l;
      String attention = layer + ".self_attn";
      blocks.add(
          new SequentialBlock(
              weights.rmsNormPlusOne(layer + ".input_layernorm", s.dModel(), eps),
              Decoders.rotary(
                  s,
                  Decoders.separate(weights, attention, s, attentionBias),
                  null,
                  rotary,
                  0,
                  Decoders.out(weights, attention, s, attentionBias)),
              weights.rmsNormPlusOne(layer + ".post_attention_layernorm", s.dModel(), eps),
              Decoders.gated(weights, layer + ".mlp", s, Activation.GELU_TANH, false)));
    }
    String table = "model.embed_tokens.weight";
    return new Family.Parts(
        new Embedding(Decoders.table(weights, table, s), Math.sqrt(s.dModel()), null, null, null),
        blocks,
        new Head.Unembedding(
            weights.rmsNormPlusOne("model.norm", s.dModel(), eps),
            Decoders.head(weights, "lm_head", table, s, tied, false)),
        s.context(),
        true);
  }
}
