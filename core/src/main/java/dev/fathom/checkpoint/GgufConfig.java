package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Makes the `config.json` that a GGUF file stands for, in transformers 5's spelling.
///
/// The metadata are a closed world too: a key under the architecture's name that is not understood
/// is refused. The rotary settings come from the metadata and, where llama.cpp keeps them as
/// tensors, from the factors in `rope_freqs`, `rope_factors_short` and `rope_factors_long`.
final class GgufConfig {
  static final String FREQUENCIES = "rope_freqs.weight";
  static final String SHORT_FACTORS = "rope_factors_short.weight";
  static final String LONG_FACTORS = "rope_factors_long.weight";

  /// Keys that say nothing about the arithmetic, or repeat what the tensors say.
  private static final Set<String> HARMLESS = Set.of("vocab_size", "tensor_data_layout");

  private final GgufFamily family;
  private final GgufFile file;
  private final String label;
  private final Set<String> used = new LinkedHashSet<>();
  private final List<String> problems = new ArrayList<>();
  private final ObjectNode config = JsonFiles.object();

  private GgufConfig(GgufFamily family, GgufFile file) {
    this.family = family;
    this.file = file;
    this.label = String.valueOf(file.path().getFileName());
  }

  /// The configuration of a file of this family.
  ///
  /// @throws FathomException naming every key that is missing, wrong or not understood
  static ObjectNode of(GgufFamily family, GgufFile file) {
    return new GgufConfig(family, file).make();
  }

  private ObjectNode make() {
    config.putArray("architectures").add(family.className());
    config.put("model_type", family.modelType());
    family.fixed().entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .forEach(entry -> config.set(entry.getKey(), JsonFiles.tree(entry.getValue())));
    family.fields().forEach(this::copy);
    failOnProblems();
    tokens();
    shapes();
    special();
    unknownKeys();
    failOnProblems();
    return config;
  }

  private void copy(GgufFamily.Field field) {
    Object value =
        switch (field.number()) {
          case COUNT -> count(field.key(), (Long) field.fallback());
          case REAL -> real(field.key(), (Double) field.fallback());
          case FLAG -> flag(field.key(), (Boolean) field.fallback());
        };
    config.set(field.name(), JsonFiles.tree(value));
  }

  /// Special token ids and what the vocabulary's tensor tells.
  private void tokens() {
    for (var entry :
        Map.of(
                "bos_token_id",
                "tokenizer.ggml.bos_token_id",
                "eos_token_id",
                "tokenizer.ggml.eos_token_id",
                "pad_token_id",
                "tokenizer.ggml.padding_token_id")
            .entrySet()) {
      if (file.metadata().get(entry.getValue()) instanceof Long id && id <= Integer.MAX_VALUE) {
        config.put(entry.getKey(), id);
      }
    }
    if (!config.has("pad_token_id")) {
      // Said aloud, because the default of some model classes lies outside small vocabularies.
      config.putNull("pad_token_id");
    }
    TensorInfo embedding = file.tensors().get("token_embd.weight");
    if (embedding == null || embedding.shape().size() != 2) {
      problems.add("the tensor token_embd.weight is missing or not a matrix");
      return;
    }
    config.put("vocab_size", embedding.shape().getFirst());
    config.put("tie_word_embeddings", !has("output.weight"));
  }

  /// Heads, their width and which projections have biases.
  private void shapes() {
    if (width() * heads() != embedding() && !family.modelType().matches("llama|qwen3|gemma.*")) {
      problems.add(
          "heads of width %d x %d heads are not the embedding length %d"
              .formatted(width(), heads(), embedding()));
    }
    if (count("attention.value_length", (long) width()) != width()) {
      problems.add("attention.value_length differs from attention.key_length");
    }
    boolean queryBias = has("blk.0.attn_q.bias");
    switch (family.modelType()) {
      case "llama" -> {
        config.put("head_dim", width());
        config.put("attention_bias", queryBias);
        config.put("mlp_bias", has("blk.0.ffn_up.bias"));
      }
      case "qwen3" -> {
        config.put("head_dim", width());
        config.put("attention_bias", queryBias);
      }
      case "gemma", "gemma2", "gemma3_text" -> config.put("head_dim", width());
      case "stablelm" -> config.put("use_qkv_bias", queryBias);
      default -> {}
    }
  }

  private void special() {
    switch (family.modelType()) {
      case "gpt2" -> {}
      case "bloom" -> {
        keyHeads();
        if (count("feed_forward_length", 4 * embedding()) != 4 * embedding()) {
          problems.add("bloom.feed_forward_length is not 4 times the embedding length");
        }
      }
      case "gemma2" -> {
        // llama.cpp knows the largest model by its number of layers.
        config.put("query_pre_attn_scalar", layers() == 46 ? embedding() / heads() : width());
        layerTypes(2);
        config.set("rope_parameters", rope(10_000, false));
      }
      case "gemma3_text" -> {
        config.put("query_pre_attn_scalar", layers() == 62 ? embedding() / heads() : width());
        config.set("attn_logit_softcapping", null);
        double cap = real("final_logit_softcapping", 0.0);
        config.set("final_logit_softcapping", cap == 0 ? null : JsonFiles.tree(cap));
        layerTypes(6);
        ObjectNode both = config.putObject("rope_parameters");
        both.set("full_attention", rope(1_000_000, false));
        ObjectNode local = both.putObject("sliding_attention");
        local.put("rope_theta", real("rope.freq_base_swa", 10_000.0));
        local.put("rope_type", "default");
      }
      case "phi3" -> {
        long window = count("attention.sliding_window", 0L);
        config.set("sliding_window", window == 0 ? null : JsonFiles.tree(window));
        long original = count("rope.scaling.original_context_length", context());
        config.put("original_max_position_embeddings", original);
        config.set("rope_parameters", rope(10_000, true));
      }
      case "falcon" -> {
        long keyHeads = keyHeads();
        boolean grouped = has("blk.0.attn_norm_2.weight") || keyHeads != 1 && keyHeads != heads();
        config.put("new_decoder_architecture", grouped);
        config.put("multi_query", keyHeads == 1);
        config.put("num_kv_heads", keyHeads);
        config.put("num_ln_in_parallel_attn", has("blk.0.attn_norm_2.weight") ? 2 : 1);
        config.set("rope_parameters", rope(10_000, false));
      }
      case "gpt_neox", "phi", "stablelm" -> {
        if (family.modelType().equals("gpt_neox")) {
          keyHeads();
        }
        config.set("rope_parameters", rope(10_000, true));
      }
      default -> config.set("rope_parameters", rope(10_000, false));
    }
    config.put("dtype", commonest());
  }

  /// Every `period`-th layer attends to everything, the others within the window.
  private void layerTypes(int period) {
    ArrayNode types = config.putArray("layer_types");
    for (int layer = 1; layer <= layers(); layer++) {
      types.add(layer % period == 0 ? "full_attention" : "sliding_attention");
    }
  }

  /// @param partial whether the family can turn a part of each head
  private ObjectNode rope(double defaultTheta, boolean partial) {
    ObjectNode rope = JsonFiles.object();
    double theta = real("rope.freq_base", defaultTheta);
    rope.put("rope_theta", theta);
    long turned = count("rope.dimension_count", (long) width());
    if (turned > width() || turned < 1 || !partial && turned != width()) {
      problems.add("rope.dimension_count is %d with heads of width %d".formatted(turned, width()));
      return rope;
    }
    if (partial) {
      rope.put("partial_rotary_factor", share(turned, width()));
    }
    scaling(rope, theta, (int) turned);
    return rope;
  }

  /// The share that gives back `part` when `whole` is multiplied with it and rounded down.
  static double share(long part, long whole) {
    double share = (double) part / whole;
    return (long) (share * whole) == part ? share : Math.nextUp(share);
  }

  private void scaling(ObjectNode rope, double theta, int turned) {
    String type = text("rope.scaling.type", "none");
    double factor = real("rope.scaling.factor", 1.0);
    double attention = real("rope.scaling.attn_factor", 1.0);
    used.add("rope.scaling.finetuned");
    float[] longFactors = factors(LONG_FACTORS, turned);
    float[] shortFactors = factors(SHORT_FACTORS, turned);
    float[] frequencies = factors(FREQUENCIES, turned);
    if (longFactors != null && shortFactors != null) {
      longRope(rope, shortFactors, longFactors, attention);
    } else if (frequencies != null) {
      Llama3Rope found = Llama3Rope.matching(frequencies, theta, turned);
      if (found != null) {
        found.put(rope);
      } else {
        longRope(rope, frequencies, frequencies, 1);
      }
    } else {
      switch (type) {
        case "none" -> rope.put("rope_type", "default");
        case "linear" -> {
          rope.put("rope_type", "linear");
          rope.put("factor", factor);
        }
        case "yarn" -> yarn(rope, factor);
        default -> problems.add("rope.scaling.type is " + type + ", which is not supported");
      }
    }
  }

  private void yarn(ObjectNode rope, double factor) {
    rope.put("rope_type", "yarn");
    rope.put("factor", factor);
    rope.put(
        "original_max_position_embeddings",
        count("rope.scaling.original_context_length", context()));
    for (var entry :
        Map.of(
                "attention_factor", "rope.scaling.yarn_attn_factor",
                "beta_fast", "rope.scaling.yarn_beta_fast",
                "beta_slow", "rope.scaling.yarn_beta_slow")
            .entrySet()) {
      double value = real(entry.getValue(), Double.NaN);
      if (!Double.isNaN(value)) {
        rope.put(entry.getKey(), value);
      }
    }
  }

  private void longRope(
      ObjectNode rope, float[] shortFactors, float[] longFactors, double attention) {
    long original = count("rope.scaling.original_context_length", context());
    used.add("rope.scaling.type");
    rope.put("rope_type", "longrope");
    rope.put("original_max_position_embeddings", original);
    double ratio = (double) context() / original;
    double usual = ratio <= 1 ? 1 : Math.sqrt(1 + Math.log(ratio) / Math.log(original));
    if (Math.abs(attention - usual) > 1e-6 * usual) {
      rope.put("attention_factor", attention);
    }
    put(rope.putArray("short_factor"), shortFactors);
    put(rope.putArray("long_factor"), longFactors);
  }

  private static void put(ArrayNode array, float[] values) {
    for (float value : values) {
      array.add(Double.parseDouble(Float.toString(value)));
    }
  }

  /// The values of a tensor of factors, null if there is none.
  private float @Nullable [] factors(String name, int turned) {
    TensorInfo info = file.tensors().get(name);
    if (info == null) {
      return null;
    }
    if (info.type() != TensorType.F32 || info.elements() != turned / 2) {
      problems.add("%s is not a vector of %d F32 numbers".formatted(name, turned / 2));
      return null;
    }
    float[] values = file.bytes(name).toArray(java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED);
    for (float value : values) {
      if (!(value > 0 && Float.isFinite(value))) {
        problems.add(name + " holds a number that is not a positive factor");
        return null;
      }
    }
    return values;
  }

  private String commonest() {
    var bytes = new LinkedHashMap<TensorType, Long>();
    file.tensors()
        .values()
        .forEach(info ->
            bytes.merge(
                info.type().quantized() ? TensorType.F32 : info.type(), info.bytes(), Long::sum));
    return bytes.entrySet().stream()
        .max(Map.Entry.comparingByValue())
        .map(entry -> entry.getKey().torchName())
        .orElse("float32");
  }

  private boolean has(String tensor) {
    return file.tensors().containsKey(tensor);
  }

  private long layers() {
    return count("block_count", null);
  }

  private long embedding() {
    return count("embedding_length", null);
  }

  private long context() {
    return Math.max(1, count("context_length", 2048L));
  }

  private long heads() {
    return Math.max(1, count("attention.head_count", null));
  }

  private long keyHeads() {
    return count("attention.head_count_kv", heads());
  }

  private long width() {
    return count("attention.key_length", embedding() / heads());
  }

  private long count(String key, @Nullable Long fallback) {
    Object value = value(key);
    if (value instanceof Boolean || value instanceof String) {
      value = -1L;
    }
    if (value instanceof int[] perLayer && perLayer.length > 0) {
      long first = perLayer[0];
      value = java.util.Arrays.stream(perLayer).allMatch(n -> n == first) ? first : -1L;
    }
    if (value == null && fallback != null) {
      return fallback;
    }
    if (value instanceof Long number && number >= 0 && number <= Integer.MAX_VALUE) {
      return number;
    }
    note(key, value, "a whole number >= 0, the same for all layers");
    return 1;
  }

  private double real(String key, @Nullable Double fallback) {
    Object value = value(key);
    if (value == null && fallback != null) {
      return fallback;
    }
    if (value instanceof Double number && Double.isFinite(number)) {
      return number;
    }
    note(key, value, "a finite number");
    return 1;
  }

  private boolean flag(String key, @Nullable Boolean fallback) {
    Object value = value(key);
    if (value == null && fallback != null) {
      return fallback;
    }
    if (value instanceof Boolean flag) {
      return flag;
    }
    note(key, value, "true or false");
    return false;
  }

  private String text(String key, String fallback) {
    Object value = value(key);
    if (value == null) {
      return fallback;
    }
    if (value instanceof String text) {
      return text;
    }
    note(key, value, "text");
    return fallback;
  }

  private @Nullable Object value(String key) {
    used.add(key);
    return file.metadata().get(family.architecture() + "." + key);
  }

  private void note(String key, @Nullable Object value, String expected) {
    String problem =
        "%s.%s is %s, expected %s"
            .formatted(family.architecture(), key, value == null ? "missing" : value, expected);
    if (!problems.contains(problem)) {
      problems.add(problem);
    }
  }

  private void unknownKeys() {
    String prefix = family.architecture() + ".";
    file.metadata()
        .forEach((key, value) -> {
          if (key.startsWith(prefix)) {
            String rest = key.substring(prefix.length());
            if (!used.contains(rest) && !HARMLESS.contains(rest)) {
              problems.add("%s = %s is not understood".formatted(key, shown(value)));
            }
          }
        });
  }

  private static String shown(Object value) {
    return switch (value) {
      case String text -> text.length() <= 60 ? text : text.substring(0, 57) + "...";
      case Long number -> number.toString();
      case Double number -> number.toString();
      case Boolean flag -> flag.toString();
      default -> "an array or a huge number";
    };
  }

  private void failOnProblems() {
    if (!problems.isEmpty()) {
      throw new FathomException(
          "%s: its metadata cannot be read as architecture %s\n  %s"
              .formatted(
                  label,
                  family.architecture(),
                  String.join("\n  ", problems.subList(0, Math.min(50, problems.size())))));
    }
  }

  /// The stretching of LLaMA 3: long waves divided by `factor`, short ones kept, those between
  /// blended.
  ///
  /// llama.cpp stores what comes of it, a divisor for each frequency; the settings are found again
  /// from those.
  record Llama3Rope(double factor, double low, double high, int original) {
    /// The divisors of the `width / 2` frequencies, as the converter computes them (in 32-bit
    /// floats there; the comparison is tolerant).
    double[] divisors(double theta, int width) {
      double[] divisors = new double[width / 2];
      for (int i = 0; i < divisors.length; i++) {
        double wavelength = 2 * Math.PI * Math.pow(theta, 2.0 * i / width);
        if (wavelength < original / high) {
          divisors[i] = 1;
        } else if (wavelength > original / low) {
          divisors[i] = factor;
        } else {
          double blend = (original / wavelength - low) / (high - low);
          divisors[i] = 1 / ((1 - blend) / factor + blend);
        }
      }
      return divisors;
    }

    private boolean gives(float[] divisors, double theta, int width) {
      double[] mine = divisors(theta, width);
      for (int i = 0; i < mine.length; i++) {
        if (Math.abs(mine[i] - divisors[i]) > 2e-4 * mine[i]) {
          return false;
        }
      }
      return true;
    }

    /// The settings that give these divisors: LLaMA's own if they do, else solved for, else null.
    ///
    /// Between the ends, `1/divisor` is linear in the frequency, and its line gives `low /
    /// original` and `high / original`: all that matters, so `original` can be taken as 8192. Where
    /// only one divisor lies between, `high` is taken as `4 · low`, as LLaMA has it.
    static @Nullable Llama3Rope matching(float[] divisors, double theta, int width) {
      double factor = divisors.length == 0 ? 1 : divisors[divisors.length - 1];
      if (factor <= 1) {
        return null;
      }
      var usual = new Llama3Rope(factor, 1, 4, 8192);
      if (usual.gives(divisors, theta, width)) {
        return usual;
      }
      int first = -1;
      int last = -1;
      for (int i = 0; i < divisors.length; i++) {
        if (divisors[i] > 1.0001 && divisors[i] < factor * 0.9999) {
          first = first < 0 ? i : first;
          last = i;
        }
      }
      if (first < 0) {
        return null;
      }
      double f1 = frequency(first, theta, width);
      double b1 = blend(divisors[first], factor);
      double low;
      double high;
      if (first == last) {
        low = 8192 * f1 / (1 + 3 * b1);
        high = 4 * low;
      } else {
        double f2 = frequency(last, theta, width);
        double slope = (b1 - blend(divisors[last], factor)) / (f1 - f2);
        low = (f1 - b1 / slope) * 8192;
        high = low + 8192 / slope;
      }
      var solved = new Llama3Rope(factor, low, high, 8192);
      return low > 0 && high > low && solved.gives(divisors, theta, width) ? solved : null;
    }

    private static double frequency(int i, double theta, int width) {
      return 1 / (2 * Math.PI * Math.pow(theta, 2.0 * i / width));
    }

    private static double blend(double divisor, double factor) {
      return (1 / divisor - 1 / factor) / (1 - 1 / factor);
    }

    void put(ObjectNode rope) {
      rope.put("rope_type", "llama3");
      rope.put("factor", factor);
      rope.put("low_freq_factor", low);
      rope.put("high_freq_factor", high);
      rope.put("original_max_position_embeddings", original);
    }
  }
}
