package dev.fathom.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// The golden files come from llama.cpp's names and layouts, see `fixtures/gguf_families/make.py`.
class GgufFamiliesTest {
  /// Attributes that no arithmetic depends on, or that GGUF files do not carry.
  private static final Set<String> NOT_CARRIED =
      Set.of(
          "bos_token_id",
          "eos_token_id",
          "pad_token_id",
          "initializer_range",
          "transformers_version",
          "use_cache",
          "is_decoder",
          "pretraining_tp",
          "max_window_layers",
          "layer_types",
          "slow_but_exact",
          "_sliding_window_pattern",
          "num_ln_in_parallel_attn",
          "num_kv_heads",
          "sliding_window");

  @TempDir Path directory;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama",
        "llama3_rope",
        "qwen2",
        "qwen3",
        "gemma",
        "gemma2",
        "gemma3",
        "phi3",
        "gpt2",
        "falcon",
        "starcoder2",
        "stablelm",
        "olmo2",
        "granite",
        "bloom",
        "gpt_neox",
        "phi"
      })
  void aWrittenFileHasTheNamesAndLayoutsOfLlamaCpp(String family) throws Exception {
    Path written = directory.resolve("written.gguf");
    try (var source = Checkpoint.open(Fixtures.of("checkpoints/" + family))) {
      Conversion.toGguf(source, written, TensorType.F32, Map.of(), Conversion.Progress.NONE);
    }
    ObjectNode golden = JsonFiles.read(Fixtures.of("gguf_families/" + family + ".json"), 1 << 20);
    try (var file = GgufFile.open(written)) {
      assertThat(file.metadata())
          .containsEntry("general.architecture", golden.path("architecture").asString());
      var constants = Set.of(GgufConfig.FREQUENCIES);
      var names = new ArrayList<>(file.tensors().keySet());
      names.removeAll(constants);
      assertThat(names).containsExactlyInAnyOrderElementsOf(golden.path("tensors").propertyNames());
      for (String name : names) {
        JsonNode expected = golden.path("tensors").path(name);
        assertThat(file.tensor(name).shape())
            .as(name)
            .isEqualTo(expected.path("shape").valueStream().map(JsonNode::asLong).toList());
        assertThat(sha256(file.bytes(name))).as(name).isEqualTo(expected.path("sha256").asString());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama",
        "llama3_rope",
        "qwen2",
        "qwen3",
        "gemma",
        "gemma2",
        "gemma3",
        "phi3",
        "gpt2",
        "falcon",
        "starcoder2",
        "stablelm",
        "olmo2",
        "granite",
        "bloom",
        "gpt_neox",
        "phi"
      })
  void aModelReturnsFromGgufAsItWas(String family) {
    Path written = directory.resolve("written.gguf");
    try (var source = Checkpoint.open(Fixtures.of("checkpoints/" + family))) {
      Conversion.toGguf(source, written, TensorType.F32, Map.of(), Conversion.Progress.NONE);
      try (var back = Checkpoint.open(written)) {
        assertThat(back.tensors().keySet())
            .containsExactlyInAnyOrderElementsOf(source.tensors().keySet());
        for (TensorInfo info : source.tensors().values()) {
          assertThat(back.tensors().get(info.name()))
              .extracting(TensorInfo::shape, TensorInfo::type)
              .as(info.name())
              .containsExactly(info.shape(), info.type());
          if (family.startsWith("gemma") && info.name().endsWith("norm.weight")) {
            // 1 + w has fewer bits for w than w had.
            assertThat(floats(back.read(info.name())))
                .as(info.name())
                .containsExactly(floats(source.read(info.name())), within(1e-7f));
          } else {
            assertThat(back.read(info.name()).mismatch(source.read(info.name())))
                .as(info.name())
                .isEqualTo(-1);
          }
        }
        sameConfiguration(source.config(), back.config());
      }
    }
  }

  private static org.assertj.core.data.Offset<Float> within(float tolerance) {
    return org.assertj.core.data.Offset.offset(tolerance);
  }

  private static void sameConfiguration(ObjectNode source, ObjectNode back) {
    for (Map.Entry<String, JsonNode> entry : source.properties()) {
      String name = entry.getKey();
      if (NOT_CARRIED.contains(name) || name.matches(".*(drop|summary).*") || isNothing(entry)) {
        continue;
      }
      if (name.equals("rope_parameters") || name.equals("original_max_position_embeddings")) {
        continue;
      }
      assertThat(back.get(name)).as(name).isNotNull();
      assertThat(plain(back.path(name))).as(name).isEqualTo(plain(entry.getValue()));
    }
    if (source.path("model_type").asString().equals("gemma3_text")) {
      assertThat(ropes(back)).isEqualTo(ropes(source));
    } else {
      // Stretched frequencies are only told by what they do to each dimension.
      RopeConfig expected = rope(source);
      RopeConfig found = rope(back);
      assertThat(found.theta()).isEqualTo(expected.theta());
      assertThat(found.type()).isEqualTo(expected.type());
      assertThat(found.rotatedWidth(96)).isEqualTo(expected.rotatedWidth(96));
      if (expected.type().equals("llama3")) {
        assertThat(divisors(found)).containsExactly(divisors(expected), offset());
      }
    }
  }

  private static org.assertj.core.data.Offset<Double> offset() {
    return org.assertj.core.data.Offset.offset(1e-3);
  }

  private static double[] divisors(RopeConfig rope) {
    return new GgufConfig.Llama3Rope(
            rope.factor(), rope.lowFreqFactor(), rope.highFreqFactor(), rope.originalMaxPositions())
        .divisors(rope.theta(), 12);
  }

  private static boolean isNothing(Map.Entry<String, JsonNode> entry) {
    return entry.getValue().isNull();
  }

  private static Object plain(JsonNode node) {
    return node.isNumber() ? node.doubleValue() : node;
  }

  private static RopeConfig rope(ObjectNode config) {
    return new ConfigReader(config, "test").rope(10_000);
  }

  private static Map<String, RopeConfig> ropes(ObjectNode config) {
    return new ConfigReader(config, "test").ropeByLayerType(1e6, 1e4);
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "llama3_rope", "qwen3", "gpt2", "bloom", "granite", "falcon"})
  void fromGgufToADirectoryAndBackEveryValueIsKept(String family) {
    Path first = directory.resolve("first.gguf");
    Path second = directory.resolve("second.gguf");
    Path between = directory.resolve("between");
    try (var source = Checkpoint.open(Fixtures.of("checkpoints/" + family))) {
      Conversion.toGguf(source, first, TensorType.F32, Map.of(), Conversion.Progress.NONE);
    }
    try (var gguf = Checkpoint.open(first)) {
      Conversion.toSafetensors(gguf, between, Optional.empty(), Conversion.Progress.NONE);
    }
    try (var huggingFace = Checkpoint.open(between)) {
      Conversion.toGguf(huggingFace, second, TensorType.F32, Map.of(), Conversion.Progress.NONE);
    }
    try (var a = GgufFile.open(first);
        var b = GgufFile.open(second)) {
      assertThat(b.tensors().keySet()).containsExactlyElementsOf(a.tensors().keySet());
      for (String name : a.tensors().keySet()) {
        if (name.equals(GgufConfig.FREQUENCIES)) {
          assertThat(floats(b.bytes(name))).containsExactly(floats(a.bytes(name)), within(1e-3f));
        } else {
          assertThat(b.bytes(name).mismatch(a.bytes(name))).as(name).isEqualTo(-1);
        }
      }
      var fields = new java.util.LinkedHashMap<>(a.metadata());
      fields.put("general.name", "between");
      assertThat(b.metadata()).isEqualTo(fields);
    }
  }

  @Test
  void quantisedQueriesAreUnpermutedRowByRow() {
    Path f32 = directory.resolve("f32.gguf");
    Path q8 = directory.resolve("q8.gguf");
    Path wide = directory.resolve("wide");
    widened(wide);
    try (var source = Checkpoint.open(wide)) {
      Conversion.toGguf(source, f32, TensorType.F32, Map.of(), Conversion.Progress.NONE);
      Conversion.toGguf(source, q8, TensorType.Q8_0, Map.of(), Conversion.Progress.NONE);
      try (var exact = Checkpoint.open(f32);
          var rounded = Checkpoint.open(q8)) {
        String name = "model.layers.0.self_attn.q_proj.weight";
        assertThat(rounded.storedType(name)).isEqualTo(TensorType.Q8_0);
        assertThat(rounded.mapped(name)).isFalse();
        assertThat(rounded.mapped("model.norm.weight")).isTrue();
        float[] expected = floats(exact.read(name));
        float[] found = floats(rounded.read(name));
        float largest = 0;
        for (float value : expected) {
          largest = Math.max(largest, Math.abs(value));
        }
        assertThat(found).containsExactly(expected, within(largest / 200));
        assertThat(floats(source.read(name))).isEqualTo(expected);
      }
    }
  }

  /// A LLaMA of width 64, because Q8_0 wants rows of whole blocks.
  private static void widened(Path directory) {
    try (var source = Checkpoint.open(Fixtures.of("checkpoints/llama"))) {
      ObjectNode config = source.config();
      config.put("hidden_size", 64).put("head_dim", 16).put("num_hidden_layers", 1);
      config.put("intermediate_size", 96).put("vocab_size", 7);
      var specs =
          List.of(
              TensorSpec.of("model.embed_tokens.weight", TensorType.F32, 7, 64),
              TensorSpec.of("lm_head.weight", TensorType.F32, 7, 64),
              TensorSpec.of("model.norm.weight", TensorType.F32, 64),
              TensorSpec.of("model.layers.0.self_attn.q_proj.weight", TensorType.F32, 64, 64),
              TensorSpec.of("model.layers.0.self_attn.k_proj.weight", TensorType.F32, 32, 64));
      try {
        Files.createDirectories(directory);
      } catch (java.io.IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
      JsonFiles.write(directory.resolve("config.json"), config);
      var random = new java.util.Random(5);
      try (var writer =
          SafetensorsWriter.create(directory.resolve("model.safetensors"), specs, Map.of())) {
        for (TensorSpec spec : specs) {
          float[] values = new float[(int) (spec.bytes() / 4)];
          for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
          }
          writer.append(spec.name(), values);
        }
        writer.commit();
      }
    }
  }

  @Test
  void anUnknownArchitectureIsRefusedByName() {
    Path path = directory.resolve("x.gguf");
    try (var writer =
        GgufWriter.create(
            path, List.of(), Map.of("general.architecture", GgufValue.string("rwkv7")))) {
      writer.commit();
    }
    assertThatThrownBy(() -> Checkpoint.open(path))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("x.gguf: GGUF files of architecture 'rwkv7' are not supported")
        .hasMessageContaining("llama, qwen2, qwen3");
  }

  @Test
  void unknownMetadataAreRefusedByNameAllAtOnce() {
    Path good = directory.resolve("good.gguf");
    Path bad = directory.resolve("bad.gguf");
    try (var source = Checkpoint.open(Fixtures.of("checkpoints/llama"))) {
      Conversion.toGguf(source, good, TensorType.F32, Map.of(), Conversion.Progress.NONE);
    }
    try (var file = GgufFile.open(good)) {
      var fields = new java.util.LinkedHashMap<>(file.fields());
      fields.put("llama.expert_count", GgufValue.uint32(8));
      fields.put("llama.rope.scaling.type", GgufValue.string("cubist"));
      var specs =
          file.tensors().values().stream()
              .map(t -> new TensorSpec(t.name(), t.type(), t.shape()))
              .toList();
      try (var writer = GgufWriter.create(bad, specs, fields)) {
        specs.forEach(spec -> writer.append(spec.name(), file.bytes(spec.name())));
        writer.commit();
      }
    }
    assertThatThrownBy(() -> Checkpoint.open(bad))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("llama.expert_count = 8 is not understood")
        .hasMessageContaining("rope.scaling.type is cubist");
  }

  @Test
  void aWindowThatGgufCannotExpressIsRefused() {
    try (var source = Checkpoint.open(Fixtures.of("checkpoints/mistral"))) {
      assertThatThrownBy(() ->
              Conversion.toGguf(
                  source,
                  directory.resolve("m.gguf"),
                  TensorType.F32,
                  Map.of(),
                  Conversion.Progress.NONE))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("sliding_window is 6 with texts of up to 64 tokens");
    }
    assertThat(directory.resolve("m.gguf")).doesNotExist();
  }

  @Test
  void mistralWithoutAWindowIsWrittenAsLlama() throws Exception {
    Path open = Files.createDirectories(directory.resolve("open"));
    Path written = directory.resolve("written.gguf");
    try (var source = Checkpoint.open(Fixtures.of("checkpoints/mistral"))) {
      Conversion.toSafetensors(source, open, Optional.empty(), Conversion.Progress.NONE);
      ObjectNode config = source.config();
      config.putNull("sliding_window");
      JsonFiles.write(open.resolve("config.json"), config);
    }
    try (var source = Checkpoint.open(open)) {
      Conversion.toGguf(source, written, TensorType.F32, Map.of(), Conversion.Progress.NONE);
      try (var back = Checkpoint.open(written)) {
        assertThat(back.config().path("model_type").asString()).isEqualTo("llama");
        for (String name : source.tensors().keySet()) {
          assertThat(back.read(name).mismatch(source.read(name))).as(name).isEqualTo(-1);
        }
      }
    }
  }

  private static float[] floats(MemorySegment segment) {
    return segment.toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
  }

  private static String sha256(MemorySegment bytes) throws Exception {
    return HexFormat.of()
        .formatHex(
            MessageDigest.getInstance("SHA-256").digest(bytes.toArray(ValueLayout.JAVA_BYTE)));
  }
}
