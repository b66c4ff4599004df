package dev.fathom.arch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.References;
import dev.fathom.Weighty;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generator;
import dev.fathom.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// The text that transformers continues greedily, running through the end of text.
class GreedyTextTest {
  static Stream<String> families() throws IOException {
    try (var directories = Files.list(References.path("checkpoints"))) {
      return directories
          .filter(Files::isDirectory)
          .map(directory -> directory.getFileName().toString())
          .filter(name -> !name.contains("bert"))
          .sorted()
          .toList()
          .stream();
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void everyFamilyContinuesAsTheReferenceDoes(String family) {
    try (var model = Models.load(References.path("checkpoints/" + family), DType.F32);
        var reference = References.open("checkpoints/" + family + "/reference.safetensors")) {
      long[] whole = reference.longs("greedy_ids");
      int[] prompt = prompt(reference);
      var found = new ArrayList<Integer>();
      Arrays.stream(prompt).forEach(found::add);
      found.addAll(Generator.of(model).run(prompt, Decoding.greedy(8)).tokens());
      assertThat(found).isEqualTo(Arrays.stream(whole).mapToInt(Math::toIntExact).boxed().toList());
    }
  }

  /// Row 0 as far as its mask goes.
  private static int[] prompt(References reference) {
    int length = (int) reference.shape("input_ids")[1];
    long[] ids = reference.longs("input_ids");
    long[] mask = reference.longs("attention_mask");
    int[] prompt = new int[length];
    int n = 0;
    for (int i = 0; i < length; i++) {
      if (mask[i] == 1) {
        prompt[n++] = (int) ids[i];
      }
    }
    return Arrays.copyOf(prompt, n);
  }

  @ParameterizedTest
  @ValueSource(strings = {"bert_mlm", "bert_cls", "roberta_mlm"})
  void encodersAreRefused(String family) {
    try (var model = Models.load(References.path("checkpoints/" + family), DType.F32)) {
      assertThatThrownBy(() -> Generator.of(model).run(new int[] {1, 2}, Decoding.greedy(1)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("an encoder");
    }
  }

  @Tag("weights")
  @ParameterizedTest
  @ValueSource(strings = {"ioi", "knowledge", "gender"})
  void smolLm2ContinuesAsTheReferenceDoes(String name) throws IOException {
    try (var model = Models.load(Weighty.smolLm2(), DType.F32)) {
      JsonNode reference =
          JsonMapper.shared()
              .readTree(Files.readString(References.path("smollm2/" + name + ".json")));
      int[] prompt = ints(reference.path("input_ids"));
      assertThat(Generator.of(model).run(prompt, Decoding.greedy(24)).tokens())
          .isEqualTo(Arrays.stream(ints(reference.path("greedy_24_ids"))).boxed().toList());
    }
  }

  private static int[] ints(JsonNode array) {
    return array.values().stream().mapToInt(JsonNode::asInt).toArray();
  }
}
