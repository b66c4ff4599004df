package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.checkpoint.RopeConfig;
import dev.fathom.model.Activation;
import dev.fathom.model.Attention;
import dev.fathom.model.Attention.Projections;
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

/// GPT-NeoX and Pythia: parallel block with two norms, partial rotary positions, q/k/v fused head
/// by head (Black et al. 2022).
final class GptNeoX {
  static final Family FAMILY =
      new Family("gpt_neox", "GPT-NeoX, Pythia", List.of("GPTNeoXForCausalLM"), GptNeoX::read);

  private GptNeoX() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    Shapes s = Shapes.read(config);
    double eps = config.doubleOr(1e-5, "layer_norm_eps");
    boolean bias = config.boolOr(true, "attention_bias");
    boolean parallel = config.boolOr(true, "use_parallel_residual");
    boolean tied = config.boolOr(false, "tie_word_embeddings");
    Activation activation = Shapes.activation(config, "gelu", "hidden_act");
    RopeConfig rope = config.rope(10_000, 0.25);
    config.mustBe("is_decoder", false);
    config.finish();

    weights
        .ledger()
        .harmless(".*\\.attention\\.(bias|masked_bias)")
        .harmless(".*rotary_emb\\.inv_freq");
    Rotary rotary = Ropes.halves(rope, s.width());
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = "gpt_neox.layers." + l;
      Attention attention =
          Decoders.rotary(
              s,
              new Projections.Fused(
                  weights.linear(
                      layer + ".attention.query_key_value", 3L * s.dModel(), s.dModel(), bias),
                  s.heads()),
              null,
              rotary,
              0,
              weights.linear(layer + ".attention.dense", s.dModel(), s.dModel(), bias));
      Norm norm1 = weights.layerNorm(layer + ".input_layernorm", s.dModel(), eps);
      Norm norm2 = weights.layerNorm(layer + ".post_attention_layernorm", s.dModel(), eps);
      Mlp mlp =
          new Mlp.Plain(
              weights.linear(layer + ".mlp.dense_h_to_4h", s.dMlp(), s.dModel(), true),
              activation,
              weights.linear(layer + ".mlp.dense_4h_to_h", s.dModel(), s.dMlp(), true));
      blocks.add(
          parallel
              ? new ParallelBlock(norm1, attention, norm2, mlp)
              : new SequentialBlock(norm1, attention, norm2, mlp));
    }
    String table = "gpt_neox.embed_in.weight";
    return new Family.Parts(
        Embedding.plain(Decoders.table(weights, table, s)),
        blocks,
        new Head.Unembedding(
            weights.layerNorm("gpt_neox.final_layer_norm", s.dModel(), eps),
            Decoders.head(weights, "embed_out", table, s, tied, false)),
        s.context(),
        true);
  }
}
