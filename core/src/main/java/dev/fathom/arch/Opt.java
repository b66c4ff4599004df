package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.model.Activation;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Mlp;
import dev.fathom.model.Positions;
import dev.fathom.model.SequentialBlock;
import java.util.ArrayList;
import java.util.List;

/// OPT: GPT-2's block with ReLU, learned positions from row 2 of their table (Zhang et al. 2022).
/// The 350M one, which normalises after its sublayers and projects its embeddings, is refused by
/// name.
final class Opt {
  static final Family FAMILY = new Family("opt", "OPT", List.of("OPTForCausalLM"), Opt::read);

  private Opt() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    int d = config.requireInt("hidden_size");
    int heads = config.requireInt("num_attention_heads");
    int context = config.intOr(2048, "max_position_embeddings");
    Shapes s =
        Shapes.checked(
            config,
            new Shapes(
                config.requireInt("num_hidden_layers"),
                d,
                heads,
                heads,
                heads == 0 ? 0 : d / heads,
                config.requireInt("ffn_dim"),
                config.requireInt("vocab_size"),
                context));
    Activation activation = Shapes.activation(config, "relu", "activation_function");
    boolean bias = config.boolOr(true, "enable_bias");
    boolean tied = config.boolOr(true, "tie_word_embeddings");
    config
        .mustBe("do_layer_norm_before", true)
        .mustBe("word_embed_proj_dim", d)
        .mustBe("_remove_final_layer_norm", false)
        .mustBe("layer_norm_elementwise_affine", true);
    config.finish();

    double eps = 1e-5; // fixed in this family
    weights.ledger().optionalPrefix("model.");
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = "model.decoder.layers." + l;
      String attention = layer + ".self_attn";
      blocks.add(
          new SequentialBlock(
              weights.layerNorm(layer + ".self_attn_layer_norm", d, eps),
              Decoders.absolute(
                  s,
                  Decoders.separate(weights, attention, s, bias),
                  null,
                  0,
                  s.softmaxScale(),
                  weights.linear(attention + ".out_proj", d, d, bias)),
              weights.layerNorm(layer + ".final_layer_norm", d, eps),
              new Mlp.Plain(
                  weights.linear(layer + ".fc1", s.dMlp(), d, bias),
                  activation,
                  weights.linear(layer + ".fc2", d, s.dMlp(), bias))));
    }
    String table = "model.decoder.embed_tokens.weight";
    return new Family.Parts(
        new Embedding(
            Decoders.table(weights, table, s),
            1,
            new Positions.Learned(
                weights.tensor("model.decoder.embed_positions.weight", context + 2L, d), 2),
            null,
            null),
        blocks,
        new Head.Unembedding(
            weights.layerNorm("model.decoder.final_layer_norm", d, eps),
            Decoders.head(weights, "lm_head", table, s, tied, false)),
        context,
        true);
  }
}
