package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// Reads a `config.json` as a closed world: every attribute is used, known to change nothing, or
/// refused by name, and [#finish()] reports everything that is wrong at once.
///
/// ```java
/// var config = new ConfigReader(checkpoint.config(), "llama");
/// int layers = config.requireInt("num_hidden_layers", "n_layer");   // today's spelling, older ones
/// boolean bias = config.boolOr(false, "attention_bias");
/// config.mustBe("hidden_act", "silu");
/// RopeConfig rope = config.rope(10_000);
/// config.finish();                                                  // before any value is relied upon
/// ```
///
/// An attribute whose value is null counts as absent. Where a value is missing or wrong, the
/// reading method notes it and returns a stand-in (0, false, an empty string), so that reading goes
/// on and [#finish()] can list the other problems too. Names given together are spellings of one
/// attribute: the first is today's; a configuration that holds two of them must agree with itself.
/// One thread only.
public final class ConfigReader {
  /// What every family may carry and no family's arithmetic depends on: bookkeeping of
  /// transformers, token ids and generation settings, training-time probabilities and losses.
  private static final Set<String> HARMLESS =
      Set.of(
          // what wrote the file, and how to load it
          "architectures",
          "model_type",
          "dtype",
          "torch_dtype",
          "transformers_version",
          "_name_or_path",
          "_model_name_or_path",
          "transformers.js_config",
          "_commit_hash",
          "_attn_implementation",
          "_attn_implementation_autoset",
          "attn_implementation",
          "_attn_implementation_internal",
          "auto_map",
          "name_or_path",
          "unsloth_fixed",
          "unsloth_version",
          "torchscript",
          "use_bfloat16",
          "pretraining_tp",
          "slow_but_exact",
          "gradient_checkpointing",
          "use_flash_attn",
          "use_fused_rms_norm",
          "tf_legacy_loss",
          // output switches
          "use_cache",
          "cache_implementation",
          "output_attentions",
          "output_hidden_states",
          "return_dict",
          "use_return_dict",
          "chunk_size_feed_forward",
          // token ids and generation
          "bos_token_id",
          "eos_token_id",
          "pad_token_id",
          "sep_token_id",
          "cls_token_id",
          "mask_token_id",
          "unk_token_id",
          "decoder_start_token_id",
          "forced_bos_token_id",
          "forced_eos_token_id",
          "prefix",
          "begin_suppress_tokens",
          "suppress_tokens",
          "bad_words_ids",
          "do_sample",
          "max_length",
          "min_length",
          "num_beams",
          "num_beam_groups",
          "diversity_penalty",
          "early_stopping",
          "encoder_no_repeat_ngram_size",
          "no_repeat_ngram_size",
          "exponential_decay_length_penalty",
          "length_penalty",
          "num_return_sequences",
          "remove_invalid_values",
          "repetition_penalty",
          "return_dict_in_generate",
          "output_scores",
          "temperature",
          "top_k",
          "top_p",
          "typical_p",
          "task_specific_params",
          "tokenizer_class",
          "pad_token",
          // training
          "initializer_range",
          "initializer_factor",
          "init_std",
          "init_device",
          "dropout",
          "attention_dropout",
          "attention_dropout_prob",
          "attention_probs_dropout_prob",
          "attn_pdrop",
          "attn_dropout",
          "embd_pdrop",
          "embed_dropout",
          "embd_dropout",
          "embedding_dropout",
          "resid_pdrop",
          "resid_dropout",
          "residual_dropout",
          "hidden_dropout",
          "hidden_dropout_prob",
          "activation_dropout",
          "ffn_pdrop",
          "layerdrop",
          "classifier_dropout",
          "classifier_dropout_prob",
          "summary_first_dropout",
          "summary_activation",
          "summary_proj_to_labels",
          "summary_type",
          "summary_use_proj",
          "z_loss",
          "router_aux_loss_coef",
          "upcast_softmax",
          // labels and tasks
          "id2label",
          "label2id",
          "num_labels",
          "problem_type",
          "finetuning_task",
          "is_decoder", // encoders that could be decoders read it themselves
          // beside encoder-decoders, which are refused
          "cross_attention_hidden_size",
          "tie_encoder_decoder");

  private final ObjectNode config;
  private final String family;
  private final Set<String> seen = new LinkedHashSet<>();
  private final List<String> missing = new ArrayList<>();
  private final List<String> wrong = new ArrayList<>();

  /// Reads `config` for the family called `family`, a name for the messages.
  public ConfigReader(ObjectNode config, String family) {
    this.config = config;
    this.family = family;
  }

  /// A whole number in 0 … 2³¹−1 that must be there.
  public int requireInt(String... names) {
    OptionalInt value = optionalInt(names);
    if (value.isEmpty() && present(names) == null) {
      missing.add(names[0]);
    }
    return value.orElse(0);
  }

  public int intOr(int fallback, String... names) {
    return optionalInt(names).orElse(fallback);
  }

  public OptionalInt optionalInt(String... names) {
    JsonNode node = present(names);
    if (node == null) {
      return OptionalInt.empty();
    }
    if (!whole(node)) {
      wrong.add("%s is %s, expected a whole number >= 0".formatted(spelt(names), shown(node)));
      return OptionalInt.empty();
    }
    return OptionalInt.of((int) node.doubleValue());
  }

  /// A finite number that must be there.
  public double requireDouble(String... names) {
    OptionalDouble value = optionalDouble(names);
    if (value.isEmpty() && present(names) == null) {
      missing.add(names[0]);
    }
    return value.orElse(0);
  }

  public double doubleOr(double fallback, String... names) {
    return optionalDouble(names).orElse(fallback);
  }

  public OptionalDouble optionalDouble(String... names) {
    JsonNode node = present(names);
    if (node == null) {
      return OptionalDouble.empty();
    }
    if (!finite(node)) {
      wrong.add("%s is %s, expected a number".formatted(spelt(names), shown(node)));
      return OptionalDouble.empty();
    }
    return OptionalDouble.of(node.doubleValue());
  }

  public boolean boolOr(boolean fallback, String... names) {
    JsonNode node = present(names);
    if (node == null) {
      return fallback;
    }
    if (!node.isBoolean()) {
      wrong.add("%s is %s, expected true or false".formatted(spelt(names), shown(node)));
      return fallback;
    }
    return node.booleanValue();
  }

  /// A string that must be there.
  public String requireString(String... names) {
    Optional<String> value = optionalString(names);
    if (value.isEmpty() && present(names) == null) {
      missing.add(names[0]);
    }
    return value.orElse("");
  }

  public String stringOr(String fallback, String... names) {
    return optionalString(names).orElse(fallback);
  }

  public Optional<String> optionalString(String... names) {
    JsonNode node = present(names);
    if (node == null) {
      return Optional.empty();
    }
    if (!node.isString()) {
      wrong.add("%s is %s, expected a string".formatted(spelt(names), shown(node)));
      return Optional.empty();
    }
    return Optional.of(node.stringValue());
  }

  /// A list of strings, such as `layer_types`; empty if absent.
  public Optional<List<String>> strings(String... names) {
    JsonNode node = present(names);
    if (node == null) {
      return Optional.empty();
    }
    if (!node.isArray() || !node.valueStream().allMatch(JsonNode::isString)) {
      wrong.add("%s is %s, expected a list of strings".formatted(spelt(names), shown(node)));
      return Optional.empty();
    }
    return Optional.of(node.valueStream().map(JsonNode::stringValue).toList());
  }

  /// An attribute of any kind, which the caller checks (see [#refuse]).
  public Optional<JsonNode> node(String... names) {
    return Optional.ofNullable(present(names));
  }

  /// Whether an attribute is there and not null; counts as having used it only if it is not.
  public boolean has(String name) {
    JsonNode node = config.get(name);
    return node != null && !node.isNull();
  }

  /// Declares attributes that change nothing for this family.
  public ConfigReader harmless(String... names) {
    seen.addAll(Arrays.asList(names));
    return this;
  }

  /// Declares an attribute of which only one value is supported; absent is fine too.
  ///
  /// @param expected a `Boolean`, `String` or `Number`
  public ConfigReader mustBe(String name, Object expected) {
    return mustBeOneOf(name, List.of(expected));
  }

  /// Declares an attribute of which only these values are supported; absent is fine too.
  public ConfigReader mustBeOneOf(String name, List<?> allowed) {
    JsonNode node = present(name);
    if (node != null && allowed.stream().noneMatch(value -> same(node, value))) {
      String list = allowed.stream().map(String::valueOf).collect(Collectors.joining(" or "));
      wrong.add("%s is %s, only %s is supported".formatted(name, shown(node), list));
    }
    return this;
  }

  /// Notes that an attribute has a value that the family cannot do.
  public void refuse(String name, String reason) {
    seen.add(name);
    wrong.add(name + " " + reason);
  }

  /// Reads the rotary settings of a model that has one kind of layer.
  ///
  /// @param defaultTheta the family's base frequency where the configuration names none
  public RopeConfig rope(double defaultTheta) {
    return rope(defaultTheta, 1);
  }

  /// As [#rope(double)] for a family that turns only a part of each head unless told otherwise.
  public RopeConfig rope(double defaultTheta, double defaultPartialRotaryFactor) {
    return new RopeReader(this).read(defaultTheta, defaultPartialRotaryFactor);
  }

  /// Reads the rotary settings of a model whose kinds of layers differ (Gemma 3): the keys are
  /// those of `layer_types`, `full_attention` and `sliding_attention`. Older configurations have
  /// `rope_theta` with `rope_scaling` for the former and `rope_local_base_freq` for the latter.
  public Map<String, RopeConfig> ropeByLayerType(
      double defaultFullTheta, double defaultLocalTheta) {
    return new RopeReader(this).readByLayerType(defaultFullTheta, defaultLocalTheta);
  }

  /// Ends reading.
  ///
  /// @throws FathomException naming every attribute that is missing, wrong or not understood
  public void finish() {
    mustBe("is_encoder_decoder", false);
    node("pruned_heads")
        .filter(heads -> !heads.isEmpty())
        .ifPresent(heads ->
            refuse("pruned_heads", "is " + shown(heads) + ", only an empty one is supported"));
    var unknown = new ArrayList<String>();
    for (Map.Entry<String, JsonNode> entry : config.properties()) {
      String name = entry.getKey();
      if (!seen.contains(name) && !HARMLESS.contains(name) && !entry.getValue().isNull()) {
        String near = unknown.size() < 50 ? Suggestion.of(name, seen) : "";
        unknown.add(name + " = " + shown(entry.getValue()) + near);
      }
    }
    if (missing.isEmpty() && wrong.isEmpty() && unknown.isEmpty()) {
      return;
    }
    var message = new StringBuilder("config.json: ");
    message.append(
        Stream.of(
                counted(missing.size(), "missing"),
                counted(wrong.size(), "not supported"),
                counted(unknown.size(), "not understood"))
            .filter(part -> !part.isEmpty())
            .collect(Collectors.joining(", ")));
    message.append(" for architecture ").append(family);
    missing.forEach(
        name -> message.append("\n  missing: ").append(name).append(Suggestion.of(name, unused())));
    wrong.forEach(line -> message.append("\n  wrong: ").append(line));
    unknown.stream().limit(50).forEach(line -> message.append("\n  unknown: ").append(line));
    if (unknown.size() > 50) {
      message.append("\n  unknown: and %d more".formatted(unknown.size() - 50));
    }
    throw new FathomException(message.toString());
  }

  private static String counted(int count, String what) {
    return switch (count) {
      case 0 -> "";
      case 1 -> "1 attribute " + what;
      default -> count + " attributes " + what;
    };
  }

  private List<String> unused() {
    return config.propertyNames().stream().filter(name -> !seen.contains(name)).toList();
  }

  /// The value under whichever of the spellings is there, null if absent or null; marks all as
  /// used.
  private @Nullable JsonNode present(String... names) {
    JsonNode found = null;
    String foundAs = "";
    for (String name : names) {
      seen.add(name);
      JsonNode node = config.get(name);
      if (node == null || node.isNull()) {
        continue;
      }
      if (found != null && !found.equals(node)) {
        String conflict =
            "%s is %s but %s is %s".formatted(foundAs, shown(found), name, shown(node));
        if (!wrong.contains(conflict)) {
          wrong.add(conflict);
        }
      } else if (found == null) {
        found = node;
        foundAs = name;
      }
    }
    return found;
  }

  private String spelt(String... names) {
    return Arrays.stream(names).filter(this::has).findFirst().orElse(names[0]);
  }

  private static boolean same(JsonNode node, Object expected) {
    return switch (expected) {
      case Boolean flag -> node.isBoolean() && node.booleanValue() == flag;
      case Number number -> node.isNumber() && node.doubleValue() == number.doubleValue();
      case String text -> node.isString() && node.stringValue().equals(text);
      default -> throw new IllegalArgumentException("cannot compare with " + expected);
    };
  }

  static boolean finite(JsonNode node) {
    return node.isNumber() && Double.isFinite(node.doubleValue());
  }

  static boolean whole(JsonNode node) {
    double value = node.isNumber() ? node.doubleValue() : -1;
    return value >= 0 && value <= Integer.MAX_VALUE && value == Math.rint(value);
  }

  /// A value for a message, cut to one line.
  static String shown(JsonNode node) {
    String text = node.toString();
    return text.length() <= 60 ? text : text.substring(0, 57) + "...";
  }

  /// Reads either spelling of the rotary settings.
  private static final class RopeReader {
    private static final List<String> KEYS =
        List.of(
            "rope_theta",
            "rope_type",
            "type",
            "partial_rotary_factor",
            "factor",
            "low_freq_factor",
            "high_freq_factor",
            "original_max_position_embeddings",
            "attention_factor",
            "short_factor",
            "long_factor",
            "beta_fast",
            "beta_slow",
            "mscale",
            "mscale_all_dim",
            "truncate",
            "finetuned",
            "long_mscale",
            "short_mscale");

    private final ConfigReader reader;

    RopeReader(ConfigReader reader) {
      this.reader = reader;
    }

    RopeConfig read(double defaultTheta, double defaultPartial) {
      Map<String, JsonNode> settings = new LinkedHashMap<>();
      reader.node("rope_scaling").ifPresent(node -> addAll("rope_scaling", node, settings));
      reader.node("rope_parameters").ifPresent(node -> addAll("rope_parameters", node, settings));
      reader
          .node("rope_theta", "rotary_emb_base")
          .ifPresent(node -> settings.putIfAbsent("rope_theta", node));
      reader
          .node("partial_rotary_factor", "rotary_pct", "rope_pct")
          .ifPresent(node -> settings.putIfAbsent("partial_rotary_factor", node));
      return config("rope_parameters", settings, defaultTheta, defaultPartial);
    }

    Map<String, RopeConfig> readByLayerType(double defaultFullTheta, double defaultLocalTheta) {
      JsonNode parameters = reader.node("rope_parameters").orElse(null);
      Map<String, JsonNode> full = new LinkedHashMap<>();
      Map<String, JsonNode> local = new LinkedHashMap<>();
      if (parameters != null && parameters.has("full_attention")) {
        parameters
            .properties()
            .forEach(entry -> {
              switch (entry.getKey()) {
                case "full_attention" -> addAll("full_attention", entry.getValue(), full);
                case "sliding_attention" -> addAll("sliding_attention", entry.getValue(), local);
                default ->
                    reader.wrong.add("rope_parameters has the unknown part " + entry.getKey());
              }
            });
      } else if (parameters != null) {
        addAll("rope_parameters", parameters, full);
      }
      reader.node("rope_scaling").ifPresent(node -> addAll("rope_scaling", node, full));
      reader.node("rope_theta").ifPresent(node -> full.putIfAbsent("rope_theta", node));
      reader.node("rope_local_base_freq").ifPresent(node -> local.putIfAbsent("rope_theta", node));
      return Map.of(
          "full_attention", config("full_attention", full, defaultFullTheta, 1),
          "sliding_attention", config("sliding_attention", local, defaultLocalTheta, 1));
    }

    private void addAll(String part, JsonNode node, Map<String, JsonNode> settings) {
      if (!node.isObject()) {
        reader.wrong.add("%s is %s, expected an object".formatted(part, shown(node)));
        return;
      }
      for (Map.Entry<String, JsonNode> entry : node.properties()) {
        String key = entry.getKey();
        if (!KEYS.contains(key)) {
          reader.wrong.add(
              "%s.%s is not understood%s".formatted(part, key, Suggestion.of(key, KEYS)));
        } else if (!entry.getValue().isNull()) {
          settings.put(key, entry.getValue());
        }
      }
    }

    private RopeConfig config(
        String part, Map<String, JsonNode> settings, double defaultTheta, double defaultPartial) {
      String type = type(part, settings);
      var topLevel = reader.optionalInt("original_max_position_embeddings");
      int longest = intAt(reader.config.get("max_position_embeddings"));
      int original =
          settings.containsKey("original_max_position_embeddings")
              ? intAt(settings.get("original_max_position_embeddings"))
              : topLevel.orElse(longest);
      double stated = number(part, settings, "factor").orElse(Double.NaN);
      if (Double.isNaN(stated) && List.of("linear", "dynamic", "llama3").contains(type)) {
        reader.missing.add(part + ".factor");
      }
      double ratio = original > 0 && longest > 0 ? (double) longest / original : 1;
      boolean derived = type.equals("longrope") || type.equals("yarn");
      return new RopeConfig(
          number(part, settings, "rope_theta").orElse(defaultTheta),
          type,
          number(part, settings, "partial_rotary_factor").orElse(defaultPartial),
          Double.isNaN(stated) ? (derived ? ratio : 1) : stated,
          number(part, settings, "low_freq_factor").orElse(1),
          number(part, settings, "high_freq_factor").orElse(4),
          original,
          number(part, settings, "attention_factor"),
          numbers(part, settings, "short_factor", type),
          numbers(part, settings, "long_factor", type),
          number(part, settings, "beta_fast").orElse(32),
          number(part, settings, "beta_slow").orElse(1),
          number(part, settings, "mscale"),
          number(part, settings, "mscale_all_dim"),
          !settings.containsKey("truncate") || settings.get("truncate").asBoolean(true));
    }

    private String type(String part, Map<String, JsonNode> settings) {
      JsonNode node = settings.getOrDefault("rope_type", settings.get("type"));
      if (node == null) {
        return "default";
      }
      String type = node.asString("");
      type = type.equals("su") ? "longrope" : type;
      if (!RopeConfig.TYPES.contains(type)) {
        reader.wrong.add(
            "%s.rope_type is %s, supported are %s"
                .formatted(part, shown(node), String.join(", ", RopeConfig.TYPES)));
      }
      return type;
    }

    private static int intAt(@Nullable JsonNode node) {
      return node != null && whole(node) ? (int) node.doubleValue() : 0;
    }

    private OptionalDouble number(String part, Map<String, JsonNode> settings, String key) {
      JsonNode node = settings.get(key);
      if (node == null) {
        return OptionalDouble.empty();
      }
      if (!finite(node) || node.doubleValue() <= 0) {
        reader.wrong.add("%s.%s is %s, expected a number > 0".formatted(part, key, shown(node)));
        return OptionalDouble.empty();
      }
      return OptionalDouble.of(node.doubleValue());
    }

    private List<Double> numbers(
        String part, Map<String, JsonNode> settings, String key, String type) {
      JsonNode node = settings.get(key);
      if (node == null) {
        if (type.equals("longrope")) {
          reader.missing.add(part + "." + key);
        }
        return List.of();
      }
      if (!node.isArray() || !node.valueStream().allMatch(n -> finite(n) && n.doubleValue() > 0)) {
        reader.wrong.add(
            "%s.%s is %s, expected a list of numbers > 0".formatted(part, key, shown(node)));
        return List.of();
      }
      return node.valueStream().map(JsonNode::doubleValue).toList();
    }
  }
}
