package dev.fathom.edit;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.JsonFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// What a PEFT directory's `adapter_config.json` says about a LoRA, read as a closed world: every
/// attribute is used, known to change nothing, or refused by name. Modules are named by their path,
/// the name of their weight without `.weight`.
///
/// @param rank of modules that no key of `ranks` ends
/// @param alpha likewise
/// @param rankStabilized whether the factor is α/√r (Kalajdzievski 2023) and not α/r
/// @param ranks ranks of modules by the end of their path; the first that fits counts
/// @param alphas likewise
/// @param targets ends of the paths of adapted modules; empty where the file has none or a regular
///   expression, which is not evaluated
/// @param excluded ends of paths of modules that are left out
/// @param layers of the modules that `targets` says; empty for all
/// @param layerNames what stands before a layer's number in a path; empty for anything
/// @param base the model it was made from: a path or a name of the hub
record PeftConfig(
    int rank,
    double alpha,
    boolean rankStabilized,
    SequencedMap<String, Integer> ranks,
    SequencedMap<String, Double> alphas,
    Optional<List<String>> targets,
    List<String> excluded,
    List<Integer> layers,
    List<String> layerNames,
    String base) {
  static final String FILE = "adapter_config.json";

  private static final int MOST_BYTES = 1 << 22;
  private static final int MOST_ENTRIES = 1 << 14;
  private static final int HIGHEST_RANK = 1 << 20;
  private static final int DEFAULT = 8; // PEFT's r and lora_alpha where a file says nothing
  private static final String REGEX = "\\^$*+?()[]{}|";

  private static final Set<String> USED =
      Set.of(
          "peft_type",
          "r",
          "lora_alpha",
          "use_rslora",
          "rank_pattern",
          "alpha_pattern",
          "target_modules",
          "exclude_modules",
          "layers_to_transform",
          "layers_pattern",
          "base_model_name_or_path",
          "bias",
          "init_lora_weights");

  /// What says how it was trained, saved or loaded. PEFT itself puts `fan_in_fan_out` right.
  private static final Set<String> HARMLESS =
      Set.of(
          "auto_mapping",
          "revision",
          "task_type",
          "inference_mode",
          "peft_version",
          "lora_dropout",
          "fan_in_fan_out",
          "megatron_config",
          "megatron_core",
          "loftq_config",
          "eva_config",
          "corda_config",
          "lora_ga_config",
          "velora_config",
          "qalora_group_size",
          "runtime_config");

  /// Ways to start a LoRA that leave the model's own weights alone.
  private static final Set<String> PLAIN_STARTS = Set.of("gaussian", "orthogonal", "eva");

  /// @throws FathomException if the file cannot be read or says something that is not understood
  static PeftConfig read(Path path) {
    return new Reader(path, JsonFiles.read(path, MOST_BYTES)).config();
  }

  int rankOf(String module) {
    return first(ranks, module).orElse(rank);
  }

  /// What `B A` of a module is multiplied with.
  double factorOf(String module) {
    int r = rankOf(module);
    return first(alphas, module).orElse(alpha) / (rankStabilized ? Math.sqrt(r) : r);
  }

  private static <T> Optional<T> first(Map<String, T> patterns, String module) {
    return patterns.entrySet().stream()
        .filter(entry -> ends(module, entry.getKey()))
        .map(Map.Entry::getValue)
        .findFirst();
  }

  /// Whether PEFT would adapt a module; true where only a regular expression says.
  boolean targets(String module) {
    if (excluded.stream().anyMatch(end -> ends(module, end))) {
      return false;
    }
    return targets.isEmpty()
        || targets.get().contains(module)
        || (targets.get().stream().anyMatch(end -> ends(module, end)) && ofLayer(module));
  }

  private static boolean ends(String module, String end) {
    return module.equals(end) || module.endsWith("." + end);
  }

  /// Whether the first number in a path that can be a layer's is one of `layers`.
  private boolean ofLayer(String module) {
    if (layers.isEmpty()) {
      return true;
    }
    String[] parts = module.split("\\.", -1);
    var before = new StringBuilder(parts[0]);
    for (int i = 1; i + 1 < parts.length; i++) {
      String name = before.toString();
      boolean layer =
          layerNames.isEmpty() ? i >= 2 : layerNames.stream().anyMatch(end -> ends(name, end));
      if (layer && parts[i].matches("[0-9]{1,9}")) {
        return layers.contains(Integer.valueOf(parts[i]));
      }
      before.append('.').append(parts[i]);
    }
    return false;
  }

  private record Reader(Path path, ObjectNode json) {
    PeftConfig config() {
      if (!json.path("peft_type").asString("").equals("LORA")) {
        throw wrong(
            "holds an adapter of type %s; Fathom reads those of type \"LORA\""
                .formatted(json.path("peft_type")));
      }
      requireUnderstood();
      return new PeftConfig(
          json.hasNonNull("r") ? rank("r", json.path("r")) : DEFAULT,
          json.hasNonNull("lora_alpha") ? number("lora_alpha", json.path("lora_alpha")) : DEFAULT,
          flag("use_rslora"),
          patterns("rank_pattern", this::rank),
          patterns("alpha_pattern", this::number),
          json.path("target_modules").isArray()
              ? Optional.of(texts("target_modules"))
              : Optional.empty(),
          excluded(),
          layers(),
          texts("layers_pattern"),
          json.path("base_model_name_or_path").asString(""));
    }

    private void requireUnderstood() {
      String bias = json.hasNonNull("bias") ? json.path("bias").asString("?") : "none";
      if (!bias.equals("none")) {
        throw wrong(
            "its bias is '%s': it holds trained biases too, and Fathom reads adapters with bias 'none'"
                .formatted(bias));
      }
      JsonNode start = json.path("init_lora_weights");
      if (start.isString() && !PLAIN_STARTS.contains(start.asString())) {
        throw wrong(
            "its init_lora_weights is '%s', which changes the model's own weights too; let PEFT convert it to an ordinary LoRA first"
                .formatted(start.asString()));
      }
      for (Map.Entry<String, JsonNode> entry : json.properties()) {
        if (!USED.contains(entry.getKey())
            && !HARMLESS.contains(entry.getKey())
            && !off(entry.getValue())) {
          throw wrong(
              "its attribute %s is %.100s, which Fathom does not understand; it reads plain LoRA"
                  .formatted(entry.getKey(), entry.getValue()));
        }
      }
    }

    private static boolean off(JsonNode value) {
      return value.isNull()
          || (value.isBoolean() && !value.asBoolean())
          || (value.isContainer() && value.isEmpty())
          || (value.isString() && value.asString().isEmpty());
    }

    private boolean flag(String name) {
      JsonNode value = json.path(name);
      if (!value.isMissingNode() && !value.isNull() && !value.isBoolean()) {
        throw wrong("expected true or false for %s, found %.100s".formatted(name, value));
      }
      return value.asBoolean(false);
    }

    private int rank(String name, JsonNode value) {
      if (!value.isInt() || value.asInt() < 1 || value.asInt() > HIGHEST_RANK) {
        throw wrong(
            "expected a rank from 1 to %d for %s, found %.100s"
                .formatted(HIGHEST_RANK, name, value));
      }
      return value.asInt();
    }

    private double number(String name, JsonNode value) {
      if (!value.isNumber() || !Double.isFinite(value.asDouble())) {
        throw wrong("expected a number for %s, found %.100s".formatted(name, value));
      }
      return value.asDouble();
    }

    private interface Parse<T> {
      T parse(String name, JsonNode value);
    }

    private <T> SequencedMap<String, T> patterns(String name, Parse<T> parse) {
      var found = new LinkedHashMap<String, T>();
      JsonNode patterns = json.path(name);
      if (!patterns.isMissingNode() && !patterns.isNull() && !patterns.isObject()) {
        throw wrong("expected an object for %s, found %.100s".formatted(name, patterns));
      }
      requireFew(name, patterns);
      for (Map.Entry<String, JsonNode> entry : patterns.properties()) {
        String key = literal(name, entry.getKey());
        found.put(key, parse.parse("%s of '%.100s'".formatted(name, key), entry.getValue()));
      }
      return found;
    }

    /// The names in a list, or the one name.
    private List<String> texts(String name) {
      JsonNode value = json.path(name);
      if (value.isMissingNode() || value.isNull()) {
        return List.of();
      }
      if (value.isString()) {
        return value.asString().isEmpty() ? List.of() : List.of(literal(name, value.asString()));
      }
      requireFew(name, value);
      var texts = new ArrayList<String>();
      for (JsonNode text : value) {
        texts.add(literal(name, text.asString("")));
      }
      return texts;
    }

    private List<String> excluded() {
      if (json.path("exclude_modules").isString()) {
        throw wrong(
            "its exclude_modules is a regular expression, which Fathom does not evaluate; let it be a list of names");
      }
      return texts("exclude_modules");
    }

    private List<Integer> layers() {
      JsonNode value = json.path("layers_to_transform");
      if (value.isMissingNode() || value.isNull()) {
        return List.of();
      }
      var layers = new ArrayList<Integer>();
      requireFew("layers_to_transform", value);
      for (JsonNode layer : value.isArray() ? value : List.of(value)) {
        if (!layer.isInt() || layer.asInt() < 0) {
          throw wrong(
              "expected numbers of layers for layers_to_transform, found %.100s".formatted(layer));
        }
        layers.add(layer.asInt());
      }
      return layers;
    }

    private void requireFew(String name, JsonNode value) {
      if (value.size() > MOST_ENTRIES) {
        throw wrong(
            "its %s has %d entries, at most %d are expected"
                .formatted(name, value.size(), MOST_ENTRIES));
      }
    }

    /// A name that means itself.
    private String literal(String name, @Nullable String text) {
      if (text == null || text.isEmpty()) {
        throw wrong("expected names of modules in %s, found an empty one".formatted(name));
      }
      if (text.chars().anyMatch(character -> REGEX.indexOf(character) >= 0)) {
        throw wrong(
            "%s names '%.100s', a regular expression; Fathom understands ends of module names such as 'self_attn.q_proj'"
                .formatted(name, text));
      }
      return text;
    }

    private FathomException wrong(String what) {
      return new FathomException(path + ": " + what);
    }
  }
}
