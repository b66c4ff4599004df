package dev.fathom.checkpoint.hub;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HubFilterTest {
  private static final HubFilter MODEL = HubFilter.model();

  @Test
  void weightsComeLast() {
    assertThat(
            files(MODEL, "model.safetensors", "tokenizer.json", "config.json", "onnx/model.onnx"))
        .containsExactly("config.json", "tokenizer.json", "model.safetensors");
  }

  @Test
  void shardsComeWithTheirIndex() {
    assertThat(
            files(
                MODEL,
                "config.json",
                "consolidated.safetensors",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
                "model.safetensors.index.json",
                "original/model.safetensors"))
        .containsExactly(
            "config.json",
            "model.safetensors.index.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors");
  }

  @Test
  void oneFileIsPreferredToShardsOfTheSame() {
    assertThat(
            files(
                MODEL,
                "model-00001-of-00001.safetensors",
                "model.safetensors",
                "model.safetensors.index.json"))
        .containsExactly("model.safetensors");
  }

  @Test
  void aMissingShardIsNamed() {
    assertThat(why(MODEL, "model.safetensors.index.json", "model-00001-of-00003.safetensors"))
        .isEqualTo("lacks model-00002-of-00003.safetensors");
    assertThat(why(MODEL, "model.safetensors.index.json"))
        .isEqualTo("has model.safetensors.index.json but none of its shards");
  }

  @Test
  void otherNamesOfSafetensorsAreTaken() {
    assertThat(files(MODEL, "adapter_config.json", "adapter_model.safetensors"))
        .containsExactly("adapter_config.json", "adapter_model.safetensors");
  }

  @Test
  void theOnlyGgufFileNeedsNoChoice() {
    assertThat(files(MODEL, "README.md", "mmproj-x.gguf", "imatrix_x.gguf", "x-Q4_0.gguf"))
        .containsExactly("x-Q4_0.gguf");
  }

  @Test
  void safetensorsArePreferredToGguf() {
    assertThat(files(MODEL, "a.gguf", "b.gguf", "model.safetensors"))
        .containsExactly("model.safetensors");
    assertThat(files(HubFilter.gguf("a"), "a.gguf", "b.gguf", "model.safetensors"))
        .containsExactly("a.gguf");
  }

  @ParameterizedTest
  @CsvSource({
    "Q4_K_M, x-Q4_K_M.gguf",
    "q4_k_m, x-Q4_K_M.gguf",
    "Q4_K, x.Q4_K.gguf",
    "Q4_XS, x-Q4_XS.gguf",
    "x-IQ4_XS.gguf, x-IQ4_XS.gguf",
    "x-IQ4_XS, x-IQ4_XS.gguf",
    "big/x-F16, big/x-F16.gguf",
  })
  void aQuantizationIsTheLastWordOfTheName(String choice, String expected) {
    assertThat(
            files(
                HubFilter.gguf(choice),
                "x-Q4_K_M.gguf",
                "x.Q4_K.gguf",
                "x-Q4_XS.gguf",
                "x-IQ4_XS.gguf",
                "big/x-F16.gguf"))
        .containsExactly(expected);
  }

  @Test
  void aSplitGgufFileIsTakenWhole() {
    var filter = HubFilter.gguf("Q8_0");
    assertThat(files(filter, "Q8_0/x-Q8_0-00001-of-00002.gguf", "Q8_0/x-Q8_0-00002-of-00002.gguf"))
        .hasSize(2);
    assertThat(why(filter, "Q8_0/x-Q8_0-00001-of-00002.gguf"))
        .isEqualTo("lacks Q8_0/x-Q8_0-00002-of-00002.gguf");
  }

  @Test
  void anUnknownQuantizationListsThoseThereAre() {
    assertThat(why(HubFilter.gguf("Q2_K"), "x-Q4_0.gguf", "x-Q8_0.gguf"))
        .isEqualTo("has no GGUF file 'Q2_K', only: x-Q4_0, x-Q8_0");
    assertThat(why(HubFilter.gguf("Q2_K"), "model.safetensors")).isEqualTo("has no GGUF file");
    assertThat(why(HubFilter.gguf("Q8_0"), "a-Q8_0.gguf", "b-Q8_0.gguf"))
        .isEqualTo("has several GGUF files 'Q8_0', choose one of: a-Q8_0, b-Q8_0");
  }

  @Test
  void tenThousandShardsAreCheckedInNoTime() {
    List<String> names = new ArrayList<>(List.of("model.safetensors.index.json"));
    for (int part = 1; part <= 10_000; part++) {
      names.add("model-%05d-of-10000.safetensors".formatted(part));
    }
    assertThat(files(MODEL, names.toArray(String[]::new))).hasSize(10_001);
  }

  private static List<String> files(HubFilter filter, String... names) {
    return switch (filter.choose(List.of(names), List.of())) {
      case HubFilter.Choice.Files files -> files.names();
      case HubFilter.Choice.Insufficient no -> throw new AssertionError(no.why());
    };
  }

  private static String why(HubFilter filter, String... names) {
    return switch (filter.choose(List.of(names), List.of())) {
      case HubFilter.Choice.Files files -> throw new AssertionError(files.names());
      case HubFilter.Choice.Insufficient no -> no.why();
    };
  }
}
