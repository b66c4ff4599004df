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

/// GPT-J: parallel block with one norm, rotary pairs that are neighbours (Wang and Komatsuzaki
/// 2021).
final class GptJ {
  static final Family FAMILY = new Family("gptj", "GPT-J", List.of("GPTJForCausalLM"), GptJ::read);

  private GptJ() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    int d = config.requireInt("n_embd");
    int heads = config.requireInt("n_head");
    int width = heads == 0 ? 0 : d / heads;
    Shapes s =
        Shapes.checked(
            config,
            new Shapes(
                config.requireInt("n_layer"),
                d,
                heads,
                heads,
                width,
                config.intOr(4 * d, "n_inner"),
                config.requireInt("vocab_size"),
                config.intOr(2048, "n_positions", "n_ctx")));
    int rotated = config.intOr(width, "rotary_dim");
    double eps = config.doubleOr(1e-5, "layer_norm_epsilon");
    Activation activation = Shapes.activation(config, "gelu_new", "activation_function");
    boolean tied = config.boolOr(false, "tie_word_embeddings");
    config.harmless("scale_attn_weights", "rotary");
    if (rotated < 2 || rotated > width || rotated % 2 != 0) {
      config.refuse(
          "rotary_dim", "is %d, expected an even number up to %d".formatted(rotated, width));
    }
    config.finish();

    weights.ledger().harmless("transformer\\.h\\.\\d+\\.attn\\.(bias|masked_bias|embed_positions)");
    Rotary rotary = Ropes.of(RopeConfig.plain(10_000), rotated, true);
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = "transformer.h." + l;
      Norm norm = weights.layerNorm(layer + ".ln_1", d, eps);
      blocks.add(
          new ParallelBlock(
              norm,
              Decoders.rotary(
                  s,
                  Decoders.separate(weights, layer + ".attn", s, false),
                  null,
                  rotary,
                  0,
                  weights.linear(layer + ".attn.out_proj", d, d, false)),
              norm,
              new Mlp.Plain(
                  weights.linear(layer + ".mlp.fc_in", s.dMlp(), d, true),
                  activation,
                  weights.linear(layer + ".mlp.fc_out", d, s.dMlp(), true))));
    }
    String table = "transformer.wte.weight";
    return new Family.Parts(
        Embedding.plain(Decoders.table(weights, table, s)),
        blocks,
        new Head.Unembedding(
            weights.layerNorm("transformer.ln_f", d, eps),
            Decoders.head(weights, "lm_head", table, s, tied, true)),
        s.context(),
        true);
  }
}
