package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.checkpoint.RopeConfig;
import dev.fathom.model.Activation;
import dev.fathom.model.Attention;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Mlp;
import dev.fathom.model.Norm;
import dev.fathom.model.ParallelBlock;
import dev.fathom.model.Rotary;
import dev.fathom.model.SequentialBlock;
import java.util.ArrayList;
import java.util.List;

/// StableLM: LLaMA's block with LayerNorm and partial rotary positions; in the larger ones parallel
/// with one norm (Bellagente et al. 2024).
final class StableLm {
  static final Family FAMILY =
      new Family("stablelm", "StableLM", List.of("StableLmForCausalLM"), StableLm::read);

  private StableLm() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    Shapes s = Shapes.read(config);
    double eps = config.doubleOr(1e-5, "layer_norm_eps", "norm_eps");
    boolean bias = config.boolOr(false, "use_qkv_bias");
    boolean parallel = config.boolOr(false, "use_parallel_residual");
    boolean tied = config.boolOr(false, "tie_word_embeddings");
    Activation activation = Shapes.activation(config, "silu", "hidden_act");
    RopeConfig rope = config.rope(10_000, 0.25);
    config.mustBe("qk_layernorm", false);
    config.finish();

    weights.ledger().harmless(".*rotary_emb\\.inv_freq");
    Rotary rotary = Ropes.halves(rope, s.width());
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = "model.layers." + l;
      String names = layer + ".self_attn";
      Norm norm = weights.layerNorm(layer + ".input_layernorm", s.dModel(), eps);
      Attention attention =
          Decoders.rotary(
              s,
              Decoders.separate(weights, names, s, bias),
              null,
              rotary,
              0,
              Decoders.out(weights, names, s, false));
      Mlp mlp = Decoders.gated(weights, layer + ".mlp", s, activation, false);
      blocks.add(
          parallel
              ? new ParallelBlock(norm, attention, norm, mlp)
              : new SequentialBlock(
                  norm,
                  attention,
                  weights.layerNorm(layer + ".post_attention_layernorm", s.dModel(), eps),
                  mlp));
    }
    String table = "model.embed_tokens.weight";
    return new Family.Parts(
        Embedding.plain(Decoders.table(weights, table, s)),
        blocks,
        new Head.Unembedding(
            weights.layerNorm("model.norm", s.dModel(), eps),
            Decoders.head(weights, "lm_head", table, s, tied, false)),
        s.context(),
        true);
  }
}
