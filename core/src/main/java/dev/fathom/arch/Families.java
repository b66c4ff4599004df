package dev.fathom.arch;

import java.util.List;
import java.util.Optional;

/// All families, in one line each.
final class Families {
  static final List<Family> ALL =
      List.of(
          Gpt2.FAMILY,
          GptNeo.FAMILY,
          GptNeoX.FAMILY,
          GptJ.FAMILY,
          Opt.FAMILY,
          Bloom.FAMILY,
          Llama.FAMILY,
          Mistral.FAMILY,
          Qwen2.FAMILY,
          Qwen3.FAMILY,
          Gemma.FAMILY,
          Gemma2.FAMILY,
          Gemma3.FAMILY,
          Phi.FAMILY,
          Phi3.FAMILY,
          Olmo2.FAMILY,
          StableLm.FAMILY,
          Falcon.FAMILY,
          Granite.FAMILY,
          StarCoder2.FAMILY,
          Bert.FAMILY,
          Roberta.FAMILY);

  private Families() {}

  static Optional<Family> of(String modelType) {
    return ALL.stream().filter(family -> family.modelType().equals(modelType)).findFirst();
  }
}
