package dev.fathom.text;

import dev.fathom.FathomException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/// How a byte-level vocabulary cuts text into words before merging, by the name that GGUF files
/// give it (`tokenizer.ggml.pre`). Each pattern in turn cuts what the ones before left; what a
/// pattern does not match stays one word.
///
/// The patterns are those of the models' own tokenizer.json files where known, else llama.cpp's.
///
/// @param wholeWordsFirst a word that is in the vocabulary is not built from merges
/// @param addsBos whether such models begin with BOS unless the file says otherwise
record PreTokenizer(List<String> patterns, boolean wholeWordsFirst, boolean addsBos) {
  private static final String GPT2 =
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
  private static final String CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
  private static final String SPACES = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  private static final String LLAMA3 = CONTRACTIONS + words("\\p{N}{1,3}");
  private static final String QWEN2 = CONTRACTIONS + words("\\p{N}");
  private static final String QWEN35 =
      CONTRACTIONS
          + "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|"
          + SPACES;
  private static final String GPT4O = cased(CONTRACTIONS + "?") + symbols("\\p{N}{1,3}");
  private static final String TEKKEN = cased("") + symbols("\\p{N}");
  private static final String PUNCTUATION = "[\\p{P}\\$\\+<=>\\^~\\|`]+";
  private static final String THREE_DIGITS = "[0-9][0-9][0-9]";
  private static final String BLOOM = " ?[^(\\s|.,!?…。，、।۔،)]+";
  private static final String CJK = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
  private static final String DEEPSEEK3 =
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
          + "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|"
          + SPACES;

  private static final Map<String, PreTokenizer> BY_NAME = new HashMap<>();

  static {
    put(cutting("[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", THREE_DIGITS), "", "default");
    put(
        cutting(GPT2),
        "gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de gigachat a.x-4.0 mellum modern-bert mpt"
            + " olmo jais trillion granite-docling exaone4");
    put(
        cutting("\\p{N}", GPT2),
        "smollm starcoder refact command-r codeshell exaone minerva-7b mellum2");
    put(
        new PreTokenizer(List.of(LLAMA3), true, true),
        "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2");
    put(cutting(LLAMA3), "dbrx smaug-bpe glm4 chatglm-bpe");
    put(cutting(QWEN2), "qwen2 deepseek-r1-qwen kormo megrez stablelm2 hunyuan solar-open grok-2");
    put(cutting(QWEN35), "qwen35");
    put(new PreTokenizer(List.of(TEKKEN), true, true), "tekken");
    put(cutting(GPT4O), "gpt-4o llama4 kanana2");
    put(cutting(PUNCTUATION, GPT2, THREE_DIGITS), "falcon");
    put(cutting(BLOOM), "bloom poro-chat gpt3-finnish");
    put(cutting(BLOOM, "\\p{N}"), "viking");
    put(cutting("\\p{N}{1,3}", CJK, DEEPSEEK3), "deepseek-v3 hunyuan-dense");
    put(
        cutting(
            "[\\r\\n]",
            "\\s?\\p{L}+",
            "\\s?\\p{P}+",
            "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
            "\\p{N}"),
        "deepseek-coder");
  }

  /// The pre-tokenizer that a file calls `name`.
  ///
  /// @throws FathomException if the name is not known: guessing would give other tokens than the
  ///   model was trained on
  static PreTokenizer named(String name) {
    PreTokenizer found = BY_NAME.get(name);
    if (found == null) {
      throw new FathomException(
          ("GGUF vocabulary: expected a known pre-tokenizer, found tokenizer.ggml.pre \"%s\";"
                  + " try the model's tokenizer.json")
              .formatted(name));
    }
    return found;
  }

  /// The same as a part of a tokenizer.json.
  ObjectNode toJson() {
    ObjectNode sequence = JsonNodeFactory.instance.objectNode().put("type", "Sequence");
    ArrayNode steps = sequence.putArray("pretokenizers");
    for (String pattern : patterns) {
      ObjectNode split = steps.addObject().put("type", "Split");
      split.putObject("pattern").put("Regex", pattern);
      split.put("behavior", "Isolated").put("invert", false);
    }
    steps
        .addObject()
        .put("type", "ByteLevel")
        .put("add_prefix_space", false)
        .put("trim_offsets", true)
        .put("use_regex", false);
    return sequence;
  }

  private static PreTokenizer cutting(String... patterns) {
    return new PreTokenizer(List.of(patterns), false, false);
  }

  private static void put(PreTokenizer preTokenizer, String... names) {
    for (String group : names) {
      for (String name : group.split(" ", -1)) {
        BY_NAME.put(name, preTokenizer);
      }
    }
  }

  private static String words(String digits) {
    return "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" + digits + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" + SPACES;
  }

  /// Words in which capitals come first, with a `suffix`.
  private static String cased(String suffix) {
    String upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
    String lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
    String before = "[^\\r\\n\\p{L}\\p{N}]?";
    return "%s%s*%s+%s|%s%s+%s*%s"
        .formatted(before, upper, lower, suffix, before, upper, lower, suffix);
  }

  private static String symbols(String digits) {
    return "|" + digits + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" + SPACES;
  }
}
