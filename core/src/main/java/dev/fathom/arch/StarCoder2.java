package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.checkpoint.RopeConfig;
import dev.fathom.model.Activation;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Mlp;
import dev.fathom.model.Rotary;
import dev.fathom.model.SequentialBlock;
import java.util.ArrayList;
import java.util.List;

/// StarCoder 2: pre-norm with LayerNorm, plain MLP, biases, grouped keys and a window (Lozhkov et
/// al. 2024).
final class StarCoder2 {
  static final Family FAMILY =
      new Family("starcoder2", "StarCoder 2", List.of("Starcoder2ForCausalLM"), StarCoder2::read);

  private StarCoder2() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    Shapes s = Shapes.read(config);
    double eps = config.doubleOr(1e-5, "norm_epsilon");
    boolean bias = config.boolOr(true, "use_bias");
    int window = config.intOr(0, "sliding_window");
    boolean tied = config.boolOr(true, "tie_word_embeddings");
    Activation activation = Shapes.activation(config, "gelu_pytorch_tanh", "hidden_act");
    RopeConfig rope = config.rope(10_000);
    config.mustBe("mlp_type", "default").mustBe("norm_type", "layer_norm");
    config.finish();

    Rotary rotary = Ropes.halves(rope, s.width());
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = "model.layers." + l;
      String attention = layer + ".self_attn";
      blocks.add(
          new SequentialBlock(
              weights.layerNorm(layer + ".input_layernorm", s.dModel(), eps),
              Decoders.rotary(
                  s,
                  Decoders.separate(weights, attention, s, bias),
                  null,
                  rotary,
                  window,
                  Decoders.out(weights, attention, s, bias)),
              weights.layerNorm(layer + ".post_attention_layernorm", s.dModel(), eps),
              new Mlp.Plain(
                  weights.linear(layer + ".mlp.c_fc", s.dMlp(), s.dModel(), bias),
                  activation,
                  weights.linear(layer + ".mlp.c_proj", s.dModel(), s.dMlp(), bias))));
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
