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
import tools.jackson.databind.JsonNode;

/// GPT-Neo: GPT-2's block with unscaled scores and a window in every other layer (Black et al.
/// 2021).
final class GptNeo {
  static final Family FAMILY =
      new Family("gpt_neo", "GPT-Neo", List.of("GPTNeoForCausalLM"), GptNeo::read);

  private GptNeo() {}

  static Family.Parts read(ConfigReader config, Weights weights) {
    int d = config.requireInt("hidden_size");
    int heads = config.requireInt("num_heads", "num_attention_heads");
    int layers = config.requireInt("num_layers", "num_hidden_layers");
    int context = config.intOr(2048, "max_position_embeddings");
    Shapes s =
        Shapes.checked(
            config,
            new Shapes(
                layers,
                d,
                heads,
                heads,
                heads == 0 ? 0 : d / heads,
                config.intOr(4 * d, "intermediate_size"),
                config.requireInt("vocab_size"),
                context));
    double eps = config.doubleOr(1e-5, "layer_norm_epsilon");
    int window = config.intOr(256, "window_size");
    Activation activation = Shapes.activation(config, "gelu_new", "activation_function");
    boolean tied = config.boolOr(true, "tie_word_embeddings");
    List<String> kinds = attentionLayers(config, layers);
    config.finish();

    weights
        .ledger()
        .optionalPrefix("transformer.")
        .harmless("(transformer\\.)?h\\.\\d+\\.attn\\.attention\\.(bias|masked_bias)");
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < layers; l++) {
      String layer = "transformer.h." + l;
      String attention = layer + ".attn.attention";
      blocks.add(
          new SequentialBlock(
              weights.layerNorm(layer + ".ln_1", d, eps),
              Decoders.absolute(
                  s,
                  Decoders.separate(weights, attention, s, false),
                  null,
                  kinds.get(l).equals("local") ? window : 0,
                  1,
                  weights.linear(attention + ".out_proj", d, d, true)),
              weights.layerNorm(layer + ".ln_2", d, eps),
              new Mlp.Plain(
                  weights.linear(layer + ".mlp.c_fc", s.dMlp(), d, true),
                  activation,
                  weights.linear(layer + ".mlp.c_proj", d, s.dMlp(), true))));
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

  /// `global` or `local` for each layer: listed, or as repeated patterns `[[["global", "local"],
  /// 12]]`.
  private static List<String> attentionLayers(ConfigReader config, int layers) {
    var listed = config.strings("attention_layers");
    var expanded = new ArrayList<String>();
    config
        .node("attention_types")
        .ifPresent(types -> {
          for (JsonNode pair : types) {
            int times = pair.path(1).asInt(0);
            for (int i = 0; i < times && expanded.size() <= layers; i++) {
              pair.path(0).forEach(kind -> expanded.add(kind.asString("")));
            }
          }
        });
    List<String> kinds = listed.orElse(expanded);
    if (kinds.size() != layers
        || !kinds.stream().allMatch(kind -> kind.equals("global") || kind.equals("local"))) {
      config.refuse(
          "attention_types", "should name global or local for each of %d layers".formatted(layers));
    }
    return kinds;
  }
}
