package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.checkpoint.RopeConfig;
import dev.fathom.model.Activation;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Mlp;
import dev.fathom.model.Norm;
import dev.fathom.model.ParallelBlock;
import dev.fathom.model.Rotary;
import java.util.ArrayList;
import java.util.List;

/// Phi: parallel block with one norm, partial rotary positions, biases everywhere (Gunasekar et al.
/// 2023).
final class Phi {
  static final Family FAMILY =
      new Family("phi", "Phi 1, 1.5, 2", List.of("PhiForCausalLM"), Phi::read);

  private Phi() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    Shapes s = Shapes.read(config);
    double eps = config.doubleOr(1e-5, "layer_norm_eps");
    boolean tied = config.boolOr(false, "tie_word_embeddings");
    Activation activation = Shapes.activation(config, "gelu_new", "hidden_act");
    RopeConfig rope = config.rope(10_000, 0.5);
    config.mustBe("qk_layernorm", false);
    config.finish();

    weights.ledger().harmless(".*rotary_emb\\.inv_freq");
    Rotary rotary = Ropes.halves(rope, s.width());
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = "model.layers." + l;
      String attention = layer + ".self_attn";
      Norm norm = weights.layerNorm(layer + ".input_layernorm", s.dModel(), eps);
      blocks.add(
          new ParallelBlock(
              norm,
              Decoders.rotary(
                  s,
                  Decoders.separate(weights, attention, s, true),
                  null,
                  rotary,
                  0,
                  weights.linear(
                      attention + ".dense", s.dModel(), (long) s.heads() * s.width(), true)),
              norm,
              new Mlp.Plain(
                  weights.linear(layer + ".mlp.fc1", s.dMlp(), s.dModel(), true),
                  activation,
                  weights.linear(layer + ".mlp.fc2", s.dModel(), s.dMlp(), true))));
    }
    String table = "model.embed_tokens.weight";
    return new Family.Parts(
        Embedding.plain(Decoders.table(weights, table, s)),
        blocks,
        new Head.Unembedding(
            weights.layerNorm("model.final_layernorm", s.dModel(), eps),
            Decoders.head(weights, "lm_head", table, s, tied, true)),
        s.context(),
        true);
  }
}
