package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.model.Activation;
import dev.fathom.model.Attention.Projections;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Mlp;
import dev.fathom.model.Positions;
import dev.fathom.model.SequentialBlock;
import java.util.ArrayList;
import java.util.List;

/// GPT-2: pre-norm with LayerNorm, learned positions, plain MLP; weights stored transposed (Radford
/// et al. 2019).
final class Gpt2 {
  static final Family FAMILY = new Family("gpt2", "GPT-2", List.of("GPT2LMHeadModel"), Gpt2::read);

  private Gpt2() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    int d = config.requireInt("n_embd");
    int heads = config.requireInt("n_head");
    int context = config.intOr(1024, "n_positions", "n_ctx");
    Shapes s =
        Shapes.checked(
            config,
            new Shapes(
                config.requireInt("n_layer"),
                d,
                heads,
                heads,
                heads == 0 ? 0 : d / heads,
                config.intOr(4 * d, "n_inner"),
                config.requireInt("vocab_size"),
                context));
    double eps = config.doubleOr(1e-5, "layer_norm_epsilon");
    Activation activation = Shapes.activation(config, "gelu_new", "activation_function");
    boolean scaled = config.boolOr(true, "scale_attn_weights");
    boolean byLayer = config.boolOr(false, "scale_attn_by_inverse_layer_idx");
    boolean tied = config.boolOr(true, "tie_word_embeddings");
    config.mustBe("add_cross_attention", false).harmless("reorder_and_upcast_attn");
    config.finish();

    weights
        .ledger()
        .optionalPrefix("transformer.")
        .harmless("(transformer\\.)?h\\.\\d+\\.attn\\.(bias|masked_bias)");
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = "transformer.h." + l;
      String fused = layer + ".attn.c_attn";
      double scale = (scaled ? s.softmaxScale() : 1) / (byLayer ? l + 1 : 1);
      blocks.add(
          new SequentialBlock(
              weights.layerNorm(layer + ".ln_1", d, eps),
              Decoders.absolute(
                  s,
                  new Projections.Separate(
                      weights.conv1d(fused, d, 3L * d, 0, d),
                      weights.conv1d(fused, d, 3L * d, d, 2L * d),
                      weights.conv1d(fused, d, 3L * d, 2L * d, 3L * d)),
                  null,
                  0,
                  scale,
                  weights.conv1d(layer + ".attn.c_proj", d, d, 0, d)),
              weights.layerNorm(layer + ".ln_2", d, eps),
              new Mlp.Plain(
                  weights.conv1d(layer + ".mlp.c_fc", d, s.dMlp(), 0, s.dMlp()),
                  activation,
                  weights.conv1d(layer + ".mlp.c_proj", s.dMlp(), d, 0, d))));
    }
    String table = "transformer.wte.weight";
    return new Family.Parts(
        new Embedding(
            Decoders.table(weights, table, s),
            1,
            new Positions.Learned(weights.tensor("transformer.wpe.weight", context, d), 0),
            null,
            null),
        blocks,
        new Head.Unembedding(
            weights.layerNorm("transformer.ln_f", d, eps),
            Decoders.head(weights, "lm_head", table, s, tied, false)),
        context,
        true);
  }
}
