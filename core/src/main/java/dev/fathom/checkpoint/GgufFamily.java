package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Arrangement.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// What GGUF and Hugging Face call the same things in one architecture, and how their layouts
/// differ: one table, read from left to right when a GGUF file is opened and from right to left
/// when one is written. Source: llama.cpp's converter.
///
/// @param architecture GGUF's `general.architecture`
/// @param modelType Hugging Face's `model_type`
/// @param className what stands in `architectures`
/// @param tensors the tensors; every rule serves `.weight` and `.bias`
/// @param fields the numbers that are only renamed
/// @param fixed attributes that the architecture implies: written to a configuration, demanded of
///   one
record GgufFamily(
    String architecture,
    String modelType,
    String className,
    List<Rule> tensors,
    List<Field> fields,
    Map<String, Object> fixed) {

  /// @param gguf GGUF's name without `.weight`, `{}` for the layer
  /// @param huggingFace Hugging Face's name without `.weight`
  /// @param kind how the rows lie in GGUF, seen from Hugging Face
  record Rule(String gguf, String huggingFace, Kind kind) {}

  enum Number {
    COUNT,
    REAL,
    FLAG
  }

  /// @param key GGUF's key without the architecture in front
  /// @param attribute today's name in `config.json`, then older ones separated by `|`
  /// @param fallback the value where GGUF lacks the key, null if the key must be there
  record Field(String key, String attribute, Number number, @Nullable Object fallback) {
    String name() {
      return names()[0];
    }

    String[] names() {
      return attribute.split("\\|", -1);
    }
  }

  private static final Pattern LAYER = Pattern.compile("(?<=\\.)(0|[1-9][0-9]{0,5})(?=\\.)");

  private static final List<Rule> LLAMA_TENSORS =
      rules(
          "token_embd = model.embed_tokens",
          "output_norm = model.norm",
          "output = lm_head",
          "blk.{}.attn_norm = model.layers.{}.input_layernorm",
          "blk.{}.attn_q = model.layers.{}.self_attn.q_proj",
          "blk.{}.attn_k = model.layers.{}.self_attn.k_proj",
          "blk.{}.attn_v = model.layers.{}.self_attn.v_proj",
          "blk.{}.attn_output = model.layers.{}.self_attn.o_proj",
          "blk.{}.ffn_norm = model.layers.{}.post_attention_layernorm",
          "blk.{}.ffn_gate = model.layers.{}.mlp.gate_proj",
          "blk.{}.ffn_up = model.layers.{}.mlp.up_proj",
          "blk.{}.ffn_down = model.layers.{}.mlp.down_proj");

  private static final List<Rule> QK_NORMS =
      rules(
          "blk.{}.attn_q_norm = model.layers.{}.self_attn.q_norm",
          "blk.{}.attn_k_norm = model.layers.{}.self_attn.k_norm");

  private static final List<Rule> POST_NORMS =
      rules(
          "blk.{}.post_attention_norm = model.layers.{}.post_attention_layernorm",
          "blk.{}.post_ffw_norm = model.layers.{}.post_feedforward_layernorm");

  private static final List<Field> SIZES =
      List.of(
          count("block_count", "num_hidden_layers|n_layer|n_layers"),
          count("context_length", "max_position_embeddings|n_positions"),
          count("embedding_length", "hidden_size|n_embd|n_embed"),
          count("feed_forward_length", "intermediate_size|n_inner"),
          count("attention.head_count", "num_attention_heads|n_head"));

  private static final Field KV_HEADS = count("attention.head_count_kv", "num_key_value_heads");
  private static final Field RMS_EPS = real("attention.layer_norm_rms_epsilon", "rms_norm_eps");

  private static Field normEps(String attribute) {
    return real("attention.layer_norm_epsilon", attribute);
  }

  static final List<GgufFamily> ALL =
      List.of(
          new GgufFamily(
              "llama",
              "llama",
              "LlamaForCausalLM",
              turned(LLAMA_TENSORS),
              plus(SIZES, KV_HEADS, RMS_EPS),
              Map.of("hidden_act", "silu")),
          new GgufFamily(
              "qwen2",
              "qwen2",
              "Qwen2ForCausalLM",
              LLAMA_TENSORS,
              plus(SIZES, KV_HEADS, RMS_EPS),
              Map.of("hidden_act", "silu", "use_sliding_window", false)),
          new GgufFamily(
              "qwen3",
              "qwen3",
              "Qwen3ForCausalLM",
              joined(LLAMA_TENSORS, QK_NORMS),
              plus(SIZES, KV_HEADS, RMS_EPS),
              Map.of("hidden_act", "silu", "use_sliding_window", false)),
          new GgufFamily(
              "gemma",
              "gemma",
              "GemmaForCausalLM",
              shifted(LLAMA_TENSORS),
              plus(SIZES, KV_HEADS, RMS_EPS),
              Map.of("hidden_act", "gelu_pytorch_tanh", "attention_bias", false)),
          new GgufFamily(
              "gemma2",
              "gemma2",
              "Gemma2ForCausalLM",
              shifted(joined(gemmaNorms(LLAMA_TENSORS), POST_NORMS)),
              plus(
                  SIZES,
                  KV_HEADS,
                  RMS_EPS,
                  real("attn_logit_softcapping", "attn_logit_softcapping", 50.0),
                  real("final_logit_softcapping", "final_logit_softcapping", 30.0),
                  count("attention.sliding_window", "sliding_window", 4096)),
              Map.of("hidden_activation", "gelu_pytorch_tanh", "attention_bias", false)),
          new GgufFamily(
              "gemma3",
              "gemma3_text",
              "Gemma3ForCausalLM",
              shifted(joined(joined(gemmaNorms(LLAMA_TENSORS), POST_NORMS), QK_NORMS)),
              plus(SIZES, KV_HEADS, RMS_EPS, count("attention.sliding_window", "sliding_window")),
              Map.of(
                  "hidden_activation",
                  "gelu_pytorch_tanh",
                  "attention_bias",
                  false,
                  "use_bidirectional_attention",
                  false)),
          new GgufFamily(
              "phi3",
              "phi3",
              "Phi3ForCausalLM",
              rules(
                  "token_embd = model.embed_tokens",
                  "output_norm = model.norm",
                  "output = lm_head",
                  "blk.{}.attn_norm = model.layers.{}.input_layernorm",
                  "blk.{}.attn_qkv = model.layers.{}.self_attn.qkv_proj",
                  "blk.{}.attn_output = model.layers.{}.self_attn.o_proj",
                  "blk.{}.ffn_norm = model.layers.{}.post_attention_layernorm",
                  "blk.{}.ffn_up = model.layers.{}.mlp.gate_up_proj",
                  "blk.{}.ffn_down = model.layers.{}.mlp.down_proj"),
              plus(SIZES, KV_HEADS, RMS_EPS),
              Map.of("hidden_act", "silu", "attention_bias", false)),
          new GgufFamily(
              "gpt2",
              "gpt2",
              "GPT2LMHeadModel",
              rules(
                  "token_embd = transformer.wte",
                  "position_embd = transformer.wpe",
                  "output_norm = transformer.ln_f",
                  "output = lm_head",
                  "blk.{}.attn_norm = transformer.h.{}.ln_1",
                  "blk.{}.attn_qkv = transformer.h.{}.attn.c_attn TRANSPOSED",
                  "blk.{}.attn_output = transformer.h.{}.attn.c_proj TRANSPOSED",
                  "blk.{}.ffn_norm = transformer.h.{}.ln_2",
                  "blk.{}.ffn_up = transformer.h.{}.mlp.c_fc TRANSPOSED",
                  "blk.{}.ffn_down = transformer.h.{}.mlp.c_proj TRANSPOSED"),
              List.of(
                  count("block_count", "n_layer|num_hidden_layers"),
                  count("context_length", "n_positions|max_position_embeddings|n_ctx"),
                  count("embedding_length", "n_embd|hidden_size"),
                  count("feed_forward_length", "n_inner|intermediate_size"),
                  count("attention.head_count", "n_head|num_attention_heads"),
                  normEps("layer_norm_epsilon")),
              Map.of(
                  "activation_function",
                  "gelu_new",
                  "scale_attn_weights",
                  true,
                  "scale_attn_by_inverse_layer_idx",
                  false,
                  "reorder_and_upcast_attn",
                  false,
                  "add_cross_attention",
                  false)),
          new GgufFamily(
              "falcon",
              "falcon",
              "FalconForCausalLM",
              rules(
                  "token_embd = transformer.word_embeddings",
                  "output_norm = transformer.ln_f",
                  "output = lm_head",
                  "blk.{}.attn_norm = transformer.h.{}.input_layernorm",
                  "blk.{}.attn_norm = transformer.h.{}.ln_mlp",
                  "blk.{}.attn_norm_2 = transformer.h.{}.ln_attn",
                  "blk.{}.attn_qkv = transformer.h.{}.self_attention.query_key_value QKV_BY_GROUP",
                  "blk.{}.attn_output = transformer.h.{}.self_attention.dense",
                  "blk.{}.ffn_up = transformer.h.{}.mlp.dense_h_to_4h",
                  "blk.{}.ffn_down = transformer.h.{}.mlp.dense_4h_to_h"),
              List.of(
                  count("block_count", "num_hidden_layers|n_layer"),
                  count("context_length", "max_position_embeddings", 2048),
                  count("embedding_length", "hidden_size"),
                  count("feed_forward_length", "ffn_hidden_size"),
                  count("attention.head_count", "num_attention_heads|n_head"),
                  normEps("layer_norm_epsilon")),
              Map.of("activation", "gelu", "alibi", false, "bias", false, "parallel_attn", true)),
          new GgufFamily(
              "starcoder2",
              "starcoder2",
              "Starcoder2ForCausalLM",
              rules(
                  "token_embd = model.embed_tokens",
                  "output_norm = model.norm",
                  "output = lm_head",
                  "blk.{}.attn_norm = model.layers.{}.input_layernorm",
                  "blk.{}.attn_q = model.layers.{}.self_attn.q_proj",
                  "blk.{}.attn_k = model.layers.{}.self_attn.k_proj",
                  "blk.{}.attn_v = model.layers.{}.self_attn.v_proj",
                  "blk.{}.attn_output = model.layers.{}.self_attn.o_proj",
                  "blk.{}.ffn_norm = model.layers.{}.post_attention_layernorm",
                  "blk.{}.ffn_up = model.layers.{}.mlp.c_fc",
                  "blk.{}.ffn_down = model.layers.{}.mlp.c_proj"),
              plus(SIZES, KV_HEADS, normEps("norm_epsilon")),
              Map.of(
                  "hidden_act",
                  "gelu_pytorch_tanh",
                  "use_bias",
                  true,
                  "mlp_type",
                  "default",
                  "norm_type",
                  "layer_norm")),
          new GgufFamily(
              "stablelm",
              "stablelm",
              "StableLmForCausalLM",
              LLAMA_TENSORS,
              plus(
                  SIZES,
                  KV_HEADS,
                  normEps("layer_norm_eps|norm_eps"),
                  flag("use_parallel_residual", "use_parallel_residual", true)),
              Map.of("hidden_act", "silu", "qk_layernorm", false)),
          new GgufFamily(
              "olmo2",
              "olmo2",
              "Olmo2ForCausalLM",
              joined(joined(without(LLAMA_TENSORS, "_norm", "blk."), POST_NORMS), QK_NORMS),
              plus(SIZES, KV_HEADS, RMS_EPS),
              Map.of("hidden_act", "silu", "attention_bias", false)),
          new GgufFamily(
              "granite",
              "granite",
              "GraniteForCausalLM",
              turned(LLAMA_TENSORS),
              plus(
                  SIZES,
                  KV_HEADS,
                  RMS_EPS,
                  real("attention.scale", "attention_multiplier", 1.0),
                  real("embedding_scale", "embedding_multiplier", 1.0),
                  real("residual_scale", "residual_multiplier", 1.0),
                  real("logit_scale", "logits_scaling", 1.0)),
              Map.of("hidden_act", "silu", "attention_bias", false, "mlp_bias", false)),
          new GgufFamily(
              "bloom",
              "bloom",
              "BloomForCausalLM",
              rules(
                  "token_embd = transformer.word_embeddings",
                  "token_embd_norm = transformer.word_embeddings_layernorm",
                  "output_norm = transformer.ln_f",
                  "output = lm_head",
                  "blk.{}.attn_norm = transformer.h.{}.input_layernorm",
                  "blk.{}.attn_qkv = transformer.h.{}.self_attention.query_key_value QKV_BY_HEAD",
                  "blk.{}.attn_output = transformer.h.{}.self_attention.dense",
                  "blk.{}.ffn_norm = transformer.h.{}.post_attention_layernorm",
                  "blk.{}.ffn_up = transformer.h.{}.mlp.dense_h_to_4h",
                  "blk.{}.ffn_down = transformer.h.{}.mlp.dense_4h_to_h"),
              List.of(
                  count("block_count", "n_layer|num_hidden_layers"),
                  count("context_length", "seq_length", 2048),
                  count("embedding_length", "hidden_size|n_embed"),
                  count("attention.head_count", "n_head|num_attention_heads"),
                  normEps("layer_norm_epsilon")),
              Map.of("apply_residual_connection_post_layernorm", false)),
          new GgufFamily(
              "gptneox",
              "gpt_neox",
              "GPTNeoXForCausalLM",
              rules(
                  "token_embd = gpt_neox.embed_in",
                  "output_norm = gpt_neox.final_layer_norm",
                  "output = embed_out",
                  "blk.{}.attn_norm = gpt_neox.layers.{}.input_layernorm",
                  "blk.{}.attn_qkv = gpt_neox.layers.{}.attention.query_key_value QKV_BY_HEAD",
                  "blk.{}.attn_output = gpt_neox.layers.{}.attention.dense",
                  "blk.{}.ffn_norm = gpt_neox.layers.{}.post_attention_layernorm",
                  "blk.{}.ffn_up = gpt_neox.layers.{}.mlp.dense_h_to_4h",
                  "blk.{}.ffn_down = gpt_neox.layers.{}.mlp.dense_4h_to_h"),
              plus(
                  SIZES,
                  normEps("layer_norm_eps"),
                  flag("use_parallel_residual", "use_parallel_residual", true)),
              Map.of("hidden_act", "gelu", "attention_bias", true)),
          new GgufFamily(
              "phi2",
              "phi",
              "PhiForCausalLM",
              rules(
                  "token_embd = model.embed_tokens",
                  "output_norm = model.final_layernorm",
                  "output = lm_head",
                  "blk.{}.attn_norm = model.layers.{}.input_layernorm",
                  "blk.{}.attn_q = model.layers.{}.self_attn.q_proj",
                  "blk.{}.attn_k = model.layers.{}.self_attn.k_proj",
                  "blk.{}.attn_v = model.layers.{}.self_attn.v_proj",
                  "blk.{}.attn_output = model.layers.{}.self_attn.dense",
                  "blk.{}.ffn_up = model.layers.{}.mlp.fc1",
                  "blk.{}.ffn_down = model.layers.{}.mlp.fc2"),
              plus(SIZES, KV_HEADS, normEps("layer_norm_eps")),
              Map.of("hidden_act", "gelu_new", "qk_layernorm", false)));

  /// The family of a GGUF file.
  ///
  /// @throws FathomException naming the architecture if it is not supported
  static GgufFamily ofGguf(String architecture, String label) {
    return ALL.stream()
        .filter(family -> family.architecture.equals(architecture))
        .findFirst()
        .orElseThrow(() ->
            new FathomException(
                "%s: GGUF files of architecture '%s' are not supported; supported are %s"
                    .formatted(
                        label,
                        architecture,
                        ALL.stream()
                            .map(GgufFamily::architecture)
                            .collect(Collectors.joining(", ")))));
  }

  /// The family in which a Hugging Face model is written to GGUF.
  ///
  /// @throws FathomException naming the model type if it is not supported
  static GgufFamily ofModelType(String modelType) {
    String shared = modelType.equals("mistral") ? "llama" : modelType;
    return ALL.stream()
        .filter(family -> family.modelType.equals(shared))
        .findFirst()
        .orElseThrow(() ->
            new FathomException(
                "models of type '%s' cannot be written as GGUF; supported are mistral, %s"
                    .formatted(
                        modelType,
                        ALL.stream()
                            .map(GgufFamily::modelType)
                            .collect(Collectors.joining(", ")))));
  }

  /// A rule applied to a name.
  record Match(Rule rule, String other) {}

  /// What Hugging Face calls a tensor of a GGUF file.
  ///
  /// @param twoNorms whether the file's blocks have an `attn_norm_2`; Falcon's first norm is called
  ///   `ln_mlp` then, and `input_layernorm` otherwise
  Optional<Match> fromGguf(String name, boolean twoNorms) {
    String other = twoNorms ? ".input_layernorm" : ".ln_mlp";
    boolean choose = architecture.equals("falcon");
    return match(name, true, rule -> !choose || !rule.huggingFace.endsWith(other));
  }

  /// What GGUF calls a tensor of a Hugging Face checkpoint.
  Optional<Match> fromHuggingFace(String name) {
    return match(name, false, rule -> true);
  }

  private Optional<Match> match(String name, boolean fromGguf, Predicate<Rule> applies) {
    int dot = name.lastIndexOf('.');
    if (dot < 0 || !(name.endsWith(".weight") || name.endsWith(".bias"))) {
      return Optional.empty();
    }
    String stem = name.substring(0, dot);
    Matcher layer = LAYER.matcher(stem);
    String number = layer.find() ? layer.group() : "";
    String general = number.isEmpty() ? stem : layer.replaceFirst("{}");
    return tensors.stream()
        .filter(rule -> (fromGguf ? rule.gguf : rule.huggingFace).equals(general))
        .filter(applies)
        .findFirst()
        .map(rule ->
            new Match(
                rule,
                (fromGguf ? rule.huggingFace : rule.gguf).replace("{}", number)
                    + name.substring(dot)));
  }

  private static Field count(String key, String attribute) {
    return new Field(key, attribute, Number.COUNT, null);
  }

  private static Field count(String key, String attribute, long fallback) {
    return new Field(key, attribute, Number.COUNT, fallback);
  }

  private static Field real(String key, String attribute) {
    return new Field(key, attribute, Number.REAL, null);
  }

  private static Field real(String key, String attribute, double fallback) {
    return new Field(key, attribute, Number.REAL, fallback);
  }

  private static Field flag(String key, String attribute, boolean fallback) {
    return new Field(key, attribute, Number.FLAG, fallback);
  }

  /// Rules written as `gguf = hugging.face` and, where rows lie differently, the kind.
  private static List<Rule> rules(String... lines) {
    var rules = new ArrayList<Rule>();
    for (String line : lines) {
      String[] words = line.split(" ", -1);
      Kind kind = words.length == 4 ? Kind.valueOf(words[3]) : Kind.SAME;
      rules.add(new Rule(words[0], words[2], kind));
    }
    return List.copyOf(rules);
  }

  private static <T> List<T> joined(List<T> first, List<T> second) {
    var all = new ArrayList<>(first);
    all.addAll(second);
    return List.copyOf(all);
  }

  private static List<Field> plus(List<Field> first, Field... more) {
    return joined(first, List.of(more));
  }

  private static List<Rule> without(List<Rule> rules, String ending, String start) {
    return rules.stream()
        .filter(rule -> !(rule.gguf.endsWith(ending) && rule.gguf.startsWith(start)))
        .toList();
  }

  /// llama.cpp turns neighbouring numbers of a head instead of halves, so its q and k rows are
  /// shuffled.
  private static List<Rule> turned(List<Rule> rules) {
    return rules.stream()
        .map(rule ->
            switch (rule.gguf) {
              case "blk.{}.attn_q" -> new Rule(rule.gguf, rule.huggingFace, Kind.ROTARY_QUERY);
              case "blk.{}.attn_k" -> new Rule(rule.gguf, rule.huggingFace, Kind.ROTARY_KEY);
              default -> rule;
            })
        .toList();
  }

  /// Gemma's norms multiply by 1 + w; GGUF stores the sum.
  private static List<Rule> shifted(List<Rule> rules) {
    return rules.stream()
        .map(rule ->
            rule.gguf.endsWith("_norm")
                ? new Rule(rule.gguf, rule.huggingFace, Kind.PLUS_ONE)
                : rule)
        .toList();
  }

  /// From Gemma 2 on the norm before the MLP has a name of its own.
  private static List<Rule> gemmaNorms(List<Rule> rules) {
    return rules.stream()
        .map(rule ->
            rule.gguf.equals("blk.{}.ffn_norm")
                ? new Rule(rule.gguf, "model.layers.{}.pre_feedforward_layernorm", Kind.SAME)
                : rule)
        .toList();
  }
}
