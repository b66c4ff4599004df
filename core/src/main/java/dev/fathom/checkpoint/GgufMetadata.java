package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import tools.jackson.databind.node.ObjectNode;

/// Makes the metadata of a GGUF file from a configuration: [GgufConfig] backwards.
///
/// @param fields the metadata, without the tokenizer's
/// @param factors rotary factors that GGUF keeps as tensors, by name
/// @param tied whether the head is the embedding, so that it is not written
record GgufMetadata(
    SequencedMap<String, GgufValue> fields, Map<String, float[]> factors, boolean tied) {

  /// Constants that checkpoints carry along and that GGUF has no place for.
  static boolean constant(String name) {
    return name.matches(
        ".*\\.(rotary_emb\\.inv_freq|attn\\.bias|attn\\.masked_bias|attention\\.bias"
            + "|attention\\.masked_bias|attention\\.rotary_emb\\.inv_freq)");
  }

  /// The metadata of this configuration.
  ///
  /// @throws FathomException naming every attribute that GGUF cannot express
  static GgufMetadata of(GgufFamily family, ObjectNode config, Checkpoint checkpoint) {
    return new Maker(family, config, checkpoint).make();
  }

  private static final class Maker {
    private final GgufFamily family;
    private final ConfigReader reader;
    private final Checkpoint checkpoint;
    private final String type;
    private final SequencedMap<String, GgufValue> fields = new LinkedHashMap<>();
    private final Map<String, float[]> factors = new LinkedHashMap<>();
    private int layers;
    private int embedding;
    private int heads;
    private int context;

    Maker(GgufFamily family, ObjectNode config, Checkpoint checkpoint) {
      this.family = family;
      this.checkpoint = checkpoint;
      this.type = config.path("model_type").asString("");
      this.reader = new ConfigReader(config, type + ", to be written as GGUF");
    }

    GgufMetadata make() {
      fields.put("general.architecture", GgufValue.string(family.architecture()));
      fields.put("general.type", GgufValue.string("model"));
      fields.put("general.name", GgufValue.string(name()));
      fields.put("general.quantization_version", GgufValue.uint32(2));
      reader.harmless("is_decoder").mustBe("add_cross_attention", false);
      family.fixed().forEach(reader::mustBe);
      family.fields().forEach(this::copy);
      layers = number("block_count");
      embedding = number("embedding_length");
      heads = Math.max(1, number("attention.head_count"));
      context = number("context_length");
      put("vocab_size", GgufValue.uint32(reader.requireInt("vocab_size")));
      boolean tied = reader.boolOr(tiedByDefault(), "tie_word_embeddings");
      special();
      if (!fields.containsKey(key("attention.key_length"))) {
        reader.mustBe("head_dim", embedding / heads);
      }
      reader.finish();
      return new GgufMetadata(fields, factors, tied);
    }

    private String name() {
      var file = checkpoint.path().toAbsolutePath().normalize().getFileName();
      return file == null ? type : file.toString().replaceFirst("\\.gguf$", "");
    }

    private boolean tiedByDefault() {
      return !checkpoint.tensors().containsKey("lm_head.weight")
          && !checkpoint.tensors().containsKey("embed_out.weight");
    }

    private void copy(GgufFamily.Field field) {
      GgufValue value =
          switch (field.number()) {
            case COUNT ->
                GgufValue.uint32(
                    field.key().equals("feed_forward_length") || field.fallback() != null
                        ? reader.intOr(fallback(field), field.names())
                        : field.key().equals("attention.head_count_kv")
                            ? reader.intOr(number("attention.head_count"), field.names())
                            : reader.requireInt(field.names()));
            case REAL ->
                GgufValue.float32(
                    field.fallback() == null
                        ? reader.requireDouble(field.names())
                        : reader.doubleOr((Double) field.fallback(), field.names()));
            case FLAG ->
                GgufValue.bool(reader.boolOr(Boolean.TRUE.equals(field.fallback()), field.names()));
          };
      put(field.key(), value);
    }

    /// The width of the MLP is four times the model's where a configuration leaves it out.
    private int fallback(GgufFamily.Field field) {
      return field.fallback() instanceof Long value
          ? value.intValue()
          : 4 * number("embedding_length");
    }

    private void special() {
      switch (type) {
        case "gpt2" -> reader.harmless("n_special", "predict_special_tokens");
        case "bloom" -> {
          reader.harmless("seq_length", "masked_softmax_fusion", "attention_softmax_in_fp32");
          reader.harmless(
              "bias_dropout_fusion", "skip_bias_add", "skip_bias_add_qkv", "offset_alibi");
          reader.harmless("unk_token_id", "n_inner");
          put("attention.head_count_kv", GgufValue.uint32(heads));
          put("feed_forward_length", GgufValue.uint32(4L * embedding));
        }
        case "falcon" -> falcon();
        case "gpt_neox" -> rope(reader.rope(10_000, 0.25), width());
        case "phi", "stablelm" -> {
          partialFamilies();
          rope(reader.rope(10_000, type.equals("phi") ? 0.5 : 0.25), width());
        }
        case "phi3" -> phi3();
        case "gemma" -> {
          reader.mustBeOneOf("hidden_activation", List.of("gelu_pytorch_tanh"));
          reader.mustBe("use_bidirectional_attention", false);
          headWidth(256);
          rope(reader.rope(10_000), width());
        }
        case "gemma2" -> gemma2();
        case "gemma3_text" -> gemma3();
        default -> {
          llamaLike();
          rope(reader.rope(10_000), width());
        }
      }
    }

    private void llamaLike() {
      switch (type) {
        case "llama", "mistral" -> {
          headWidth(embedding / heads);
          reader.boolOr(false, "attention_bias");
          reader.boolOr(false, "mlp_bias");
          noWindowWithin(context);
        }
        case "qwen2" -> {
          reader.harmless("max_window_layers");
          fullAttentionOnly();
          reader.harmless("sliding_window");
        }
        case "qwen3" -> {
          headWidth(128);
          reader.boolOr(false, "attention_bias");
          reader.harmless("max_window_layers", "sliding_window");
          fullAttentionOnly();
        }
        case "starcoder2" -> noWindowWithin(context);
        default -> {}
      }
    }

    /// llama.cpp has no window in these families; it does no harm where no text is longer.
    private void noWindowWithin(int longest) {
      int window = reader.intOr(Integer.MAX_VALUE, "sliding_window");
      if (window < longest) {
        reader.refuse(
            "sliding_window",
            "is %d with texts of up to %d tokens; GGUF cannot say so for this family"
                .formatted(window, longest));
      }
    }

    private void fullAttentionOnly() {
      reader
          .strings("layer_types")
          .filter(types -> !types.stream().allMatch("full_attention"::equals))
          .ifPresent(
              types -> reader.refuse("layer_types", "has layers that do not see everything"));
    }

    private void falcon() {
      boolean grouped = reader.boolOr(false, "new_decoder_architecture");
      boolean multiQuery = reader.boolOr(true, "multi_query");
      int stated = reader.intOr(heads, "num_kv_heads", "n_head_kv");
      int keyHeads = grouped ? stated : multiQuery ? 1 : heads;
      reader.harmless("num_ln_in_parallel_attn", "rotary");
      put("attention.head_count_kv", GgufValue.uint32(keyHeads));
      put("tensor_data_layout", GgufValue.string("jploski"));
      rope(reader.rope(10_000), width());
    }

    private void partialFamilies() {
      if (type.equals("stablelm")) {
        reader.boolOr(false, "use_qkv_bias");
      }
    }

    private void phi3() {
      int original = reader.intOr(context, "original_max_position_embeddings");
      int window = reader.intOr(0, "sliding_window");
      put("attention.sliding_window", GgufValue.uint32(window));
      put("rope.scaling.original_context_length", GgufValue.uint32(original));
      rope(reader.rope(10_000), width());
    }

    private void gemma2() {
      reader.mustBe("hidden_act", "gelu_pytorch_tanh");
      reader.mustBe("use_bidirectional_attention", false);
      reader.harmless("cache_implementation");
      headWidth(256);
      queryScale(46);
      layerTypes(2);
      rope(reader.rope(10_000), width());
    }

    private void gemma3() {
      reader.harmless("_sliding_window_pattern", "sliding_window_pattern", "cache_implementation");
      reader
          .optionalDouble("attn_logit_softcapping")
          .ifPresent(cap ->
              reader.refuse("attn_logit_softcapping", "is " + cap + ", only null is supported"));
      reader
          .optionalDouble("final_logit_softcapping")
          .ifPresent(cap -> put("final_logit_softcapping", GgufValue.float32(cap)));
      headWidth(256);
      queryScale(62);
      layerTypes(6);
      Map<String, RopeConfig> ropes = reader.ropeByLayerType(1_000_000, 10_000);
      RopeConfig local = ropes.getOrDefault("sliding_attention", RopeConfig.plain(10_000));
      if (!local.type().equals("default")) {
        reader.refuse("rope_parameters", "stretches the layers with a window");
      }
      put("rope.freq_base_swa", GgufValue.float32(local.theta()));
      rope(ropes.getOrDefault("full_attention", RopeConfig.plain(1_000_000)), width());
    }

    /// llama.cpp takes the scale of scores from the width of a head, but for the largest model.
    private void queryScale(int layersOfLargest) {
      double expected = layers == layersOfLargest ? embedding / heads : width();
      double stated = reader.doubleOr(256, "query_pre_attn_scalar");
      if (stated != expected) {
        reader.refuse(
            "query_pre_attn_scalar",
            "is %s; GGUF implies %s for this family".formatted(stated, expected));
      }
    }

    private void layerTypes(int period) {
      List<String> types = reader.strings("layer_types").orElse(List.of());
      for (int i = 0; i < types.size(); i++) {
        boolean full = (i + 1) % period == 0;
        if (!types.get(i).equals(full ? "full_attention" : "sliding_attention")) {
          reader.refuse(
              "layer_types",
              "does not have every layer number %d attending to everything".formatted(period));
          return;
        }
      }
    }

    private void headWidth(int fallback) {
      int width = reader.intOr(fallback, "head_dim");
      put("attention.key_length", GgufValue.uint32(width));
      put("attention.value_length", GgufValue.uint32(width));
    }

    private int width() {
      return fields.containsKey(key("attention.key_length"))
          ? number("attention.key_length")
          : embedding / heads;
    }

    private void rope(RopeConfig rope, int width) {
      int turned = rope.rotatedWidth(width);
      put("rope.dimension_count", GgufValue.uint32(turned));
      put("rope.freq_base", GgufValue.float32(rope.theta()));
      switch (rope.type()) {
        case "default" -> {}
        case "linear" -> {
          put("rope.scaling.type", GgufValue.string("linear"));
          put("rope.scaling.factor", GgufValue.float32(rope.factor()));
        }
        case "yarn" -> {
          put("rope.scaling.type", GgufValue.string("yarn"));
          put("rope.scaling.factor", GgufValue.float32(rope.factor()));
          put(
              "rope.scaling.original_context_length",
              GgufValue.uint32(rope.originalMaxPositions()));
          put("rope.scaling.yarn_beta_fast", GgufValue.float32(rope.betaFast()));
          put("rope.scaling.yarn_beta_slow", GgufValue.float32(rope.betaSlow()));
          rope.attentionFactor()
              .ifPresent(f -> put("rope.scaling.yarn_attn_factor", GgufValue.float32(f)));
          if (rope.mscale().isPresent() || rope.mscaleAllDim().isPresent() || !rope.truncate()) {
            reader.refuse("rope_parameters", "has mscale or truncate, which GGUF cannot express");
          }
        }
        case "llama3" -> {
          var llama3 =
              new GgufConfig.Llama3Rope(
                  rope.factor(),
                  rope.lowFreqFactor(),
                  rope.highFreqFactor(),
                  rope.originalMaxPositions());
          factors.put(GgufConfig.FREQUENCIES, floats(llama3.divisors(rope.theta(), turned)));
        }
        case "longrope" -> longRope(rope, turned);
        default ->
            reader.refuse(
                "rope_parameters", "has the type " + rope.type() + ", which GGUF cannot express");
      }
    }

    private void longRope(RopeConfig rope, int turned) {
      if (rope.shortFactor().size() != turned / 2 || rope.longFactor().size() != turned / 2) {
        reader.refuse("rope_parameters", "needs %d short and long factors".formatted(turned / 2));
        return;
      }
      int original = rope.originalMaxPositions();
      double usual =
          rope.factor() <= 1 ? 1 : Math.sqrt(1 + Math.log(rope.factor()) / Math.log(original));
      put("rope.scaling.original_context_length", GgufValue.uint32(original));
      put("rope.scaling.attn_factor", GgufValue.float32(rope.attentionFactor().orElse(usual)));
      factors.put(GgufConfig.LONG_FACTORS, floats(rope.longFactor()));
      factors.put(GgufConfig.SHORT_FACTORS, floats(rope.shortFactor()));
    }

    private static float[] floats(List<Double> values) {
      return floats(values.stream().mapToDouble(Double::doubleValue).toArray());
    }

    private static float[] floats(double[] values) {
      float[] floats = new float[values.length];
      for (int i = 0; i < values.length; i++) {
        floats[i] = (float) values[i];
      }
      return floats;
    }

    private String key(String key) {
      return family.architecture() + "." + key;
    }

    private void put(String key, GgufValue value) {
      fields.put(key(key), value);
    }

    private int number(String key) {
      GgufValue value = fields.get(key(key));
      return value == null ? 0 : (int) GgufValue.bits(value.value());
    }
  }
}
