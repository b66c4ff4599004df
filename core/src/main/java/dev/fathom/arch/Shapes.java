package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.model.Activation;
import java.util.List;
import java.util.Locale;

/// Sizes that every configuration states. What cannot be is noted with the configuration; a family
/// finishes reading that before it uses any of them.
///
/// @param width channels of a head, its own number
record Shapes(
    int layers, int dModel, int heads, int kvHeads, int width, int dMlp, int vocab, int context) {

  /// Today's LLaMA spelling, which most families share.
  static Shapes read(ConfigReader config) {
    int dModel = config.requireInt("hidden_size");
    int heads = config.requireInt("num_attention_heads");
    return checked(
        config,
        new Shapes(
            config.requireInt("num_hidden_layers"),
            dModel,
            heads,
            config.intOr(heads, "num_key_value_heads"),
            config.intOr(heads == 0 ? 0 : dModel / heads, "head_dim"),
            config.requireInt("intermediate_size"),
            config.requireInt("vocab_size"),
            config.intOr(2048, "max_position_embeddings")));
  }

  static Shapes checked(ConfigReader config, Shapes s) {
    if (s.layers < 1 || s.layers > 4096) {
      config.refuse("num_hidden_layers", "is %d, expected 1 to 4096".formatted(s.layers));
    }
    if (s.heads < 1 || s.kvHeads < 1 || s.heads % s.kvHeads != 0) {
      config.refuse(
          "num_attention_heads",
          "is %d, expected a multiple of num_key_value_heads %d".formatted(s.heads, s.kvHeads));
    }
    if (s.width < 1 || s.dModel < 1) {
      config.refuse("hidden_size", "is %d, less than the number of heads".formatted(s.dModel));
    }
    return s;
  }

  /// The activation under one of these names.
  static Activation activation(ConfigReader config, String fallback, String... names) {
    String text = config.stringOr(fallback, names).toLowerCase(Locale.ROOT);
    return switch (text) {
      case "relu" -> Activation.RELU;
      case "gelu", "gelu_python" -> Activation.GELU;
      case "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate" -> Activation.GELU_TANH;
      case "silu", "swish" -> Activation.SILU;
      default -> {
        config.refuse(
            names[0],
            "is '%s', only %s are supported"
                .formatted(text, List.of("relu", "gelu", "gelu_new", "gelu_pytorch_tanh", "silu")));
        yield Activation.RELU;
      }
    };
  }

  double softmaxScale() {
    return 1 / Math.sqrt(width);
  }
}
