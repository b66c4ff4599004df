package dev.fathom.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.fathom.FathomException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointTest {
  @TempDir Path temporary;
  private Path directory = Path.of("unset");

  @BeforeEach
  void modelDirectory() throws IOException {
    directory = Files.createDirectories(temporary.resolve("model"));
  }

  @Test
  void aDirectoryIsMappedNotCopied() {
    try (var checkpoint = Checkpoint.open(Fixtures.of("checkpoints/llama"))) {
      assertThat(checkpoint.format()).isEqualTo("safetensors");
      assertThat(checkpoint.config().path("model_type").asString()).isEqualTo("llama");
      assertThat(checkpoint.tensors()).hasSize(30);
      for (TensorInfo info : checkpoint.tensors().values()) {
        assertThat(checkpoint.mapped(info.name())).isTrue();
        MemorySegment first = checkpoint.read(info.name());
        assertThat(first.address()).isEqualTo(checkpoint.read(info.name()).address());
        assertThat(first.byteSize()).isEqualTo(info.bytes());
      }
      assertThat(checkpoint.vocabulary()).isEmpty();
    }
  }

  @Test
  void shardsAreOneModel() {
    try (var whole = Checkpoint.open(Fixtures.of("checkpoints/gpt2"))) {
      Conversion.toSafetensors(
          whole, directory, Optional.empty(), Conversion.Progress.NONE, 100_000);
      assertThat(directory.resolve("model.safetensors")).doesNotExist();
      assertThat(directory.resolve("model.safetensors.index.json")).exists();
      try (var sharded = Checkpoint.open(directory)) {
        assertThat(sharded.tensors().keySet())
            .containsExactlyInAnyOrderElementsOf(whole.tensors().keySet());
        for (String name : whole.tensors().keySet()) {
          assertThat(sharded.read(name).mismatch(whole.read(name))).as(name).isEqualTo(-1);
        }
        assertThat(sharded.sha256()).isEqualTo(whole.sha256());
        assertThat(sharded.storedBytes()).isEqualTo(whole.storedBytes());
      }
    }
  }

  @Test
  void aShardThatIsMissingOrIncompleteIsNamed() throws IOException {
    shardsAreOneModel();
    Path index = directory.resolve("model.safetensors.index.json");
    String original = Files.readString(index);
    Files.writeString(
        index, original.replace("transformer.h.2.ln_1.bias", "transformer.h.9.ln_1.bias"));
    assertThatThrownBy(() -> Checkpoint.open(directory))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("1 tensors are not in the files")
        .hasMessageContaining("transformer.h.9.ln_1.bias");
    Files.writeString(index, original);
    try (var files = Files.list(directory)) {
      Files.delete(
          files.filter(f -> f.toString().contains("-00002-of-")).findFirst().orElseThrow());
    }
    assertThatThrownBy(() -> Checkpoint.open(directory))
        .isInstanceOf(FathomException.class)
        .hasMessageEndingWith("no such file");
  }

  @Test
  void anIndexThatLeadsOutOfTheDirectoryIsRefused() throws IOException {
    Files.writeString(directory.resolve("config.json"), "{}");
    for (String file :
        List.of("../x.safetensors", "/x.safetensors", "..", "a\\\\b.safetensors", "weights.bin")) {
      Files.writeString(
          directory.resolve("model.safetensors.index.json"),
          "{\"weight_map\":{\"a\":\"%s\"}}".formatted(file));
      assertThatThrownBy(() -> Checkpoint.open(directory))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("expected the name of a .safetensors file in the same directory");
    }
  }

  @Test
  void whatIsNotAModelIsSaidSo() throws IOException {
    assertThatThrownBy(() -> Checkpoint.open(directory.resolve("none")))
        .hasMessageContaining("no such model");
    assertThatThrownBy(() -> Checkpoint.open(directory))
        .hasMessageContaining("no config.json and no .gguf file");
    Files.writeString(directory.resolve("config.json"), "{}");
    assertThatThrownBy(() -> Checkpoint.open(directory))
        .hasMessageContaining("neither model.safetensors nor model.safetensors.index.json");
    Files.writeString(directory.resolve("pytorch_model.bin"), "");
    assertThatThrownBy(() -> Checkpoint.open(directory))
        .hasMessageContaining("Python pickles, which are programs; convert them to safetensors");
    Files.writeString(directory.resolve("config.json"), "[1]");
    assertThatThrownBy(() -> Checkpoint.open(directory))
        .hasMessageContaining("config.json: expected a JSON object");
    Path alone = directory.resolve("alone.safetensors");
    Files.writeString(alone, "{}");
    assertThatThrownBy(() -> Checkpoint.open(alone))
        .hasMessageContaining("a safetensors file alone is not a model");
  }

  @Test
  void aDirectoryWithOneGgufFileIsThatModel() throws IOException {
    try (var source = Checkpoint.open(Fixtures.of("checkpoints/llama"))) {
      Conversion.toGguf(
          source, directory.resolve("a.gguf"), TensorType.F16, Map.of(), Conversion.Progress.NONE);
    }
    try (var checkpoint = Checkpoint.open(directory)) {
      assertThat(checkpoint.format()).isEqualTo("gguf");
      assertThat(checkpoint.directory()).contains(directory);
      assertThat(checkpoint.config().path("dtype").asString()).isEqualTo("float16");
      assertThat(checkpoint.tensors().get("model.norm.weight"))
          .extracting(TensorInfo::type)
          .isEqualTo(TensorType.F32);
    }
    Files.copy(directory.resolve("a.gguf"), directory.resolve("b.gguf"));
    assertThatThrownBy(() -> Checkpoint.open(directory))
        .hasMessageContaining("holds 2 .gguf files; name the one to open");
  }

  @Test
  void theFingerprintFollowsTheWeightsAndNothingElse() throws IOException {
    String original;
    try (var source = Checkpoint.open(Fixtures.of("checkpoints/llama"))) {
      original = source.sha256();
      assertThat(original).matches("[0-9a-f]{64}");
      Conversion.toSafetensors(source, directory, Optional.empty(), Conversion.Progress.NONE);
    }
    Files.writeString(directory.resolve("config.json"), "{}");
    try (var copy = Checkpoint.open(directory)) {
      assertThat(copy.sha256()).isEqualTo(original);
    }
    Path weights = directory.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(weights);
    bytes[bytes.length - 1] ^= 1;
    Files.write(weights, bytes);
    try (var changed = Checkpoint.open(directory)) {
      assertThat(changed.sha256()).isNotEqualTo(original);
    }
  }

  @Test
  void typesAreConvertedAndTheConfigurationSaysSo() throws IOException {
    Path source = temporary.resolve("source");
    Files.createDirectories(source);
    for (String file : List.of("config.json", "model.safetensors")) {
      Files.copy(Fixtures.of("checkpoints/llama/" + file), source.resolve(file));
    }
    Files.writeString(source.resolve("tokenizer.json"), "{}");
    try (var checkpoint = Checkpoint.open(source)) {
      Conversion.toSafetensors(
          checkpoint, directory, Optional.of(TensorType.BF16), Conversion.Progress.NONE);
      assertThatThrownBy(() ->
              Conversion.toSafetensors(
                  checkpoint, source, Optional.empty(), Conversion.Progress.NONE))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("is the model that is being converted");
    }
    assertThat(directory.resolve("tokenizer.json")).hasContent("{}");
    try (var checkpoint = Checkpoint.open(directory);
        var exact = Checkpoint.open(source)) {
      assertThat(checkpoint.config().path("dtype").asString()).isEqualTo("bfloat16");
      for (TensorInfo info : checkpoint.tensors().values()) {
        assertThat(info.type()).isEqualTo(TensorType.BF16);
        try (var arena = Arena.ofConfined()) {
          MemorySegment rounded = arena.allocate(info.bytes());
          Quantizer.fromF32(TensorType.BF16, exact.read(info.name()), info.elements(), rounded);
          assertThat(checkpoint.read(info.name()).mismatch(rounded)).isEqualTo(-1);
        }
      }
    }
  }

  @Test
  void weightsBeyondBinary16AreRefused() throws IOException {
    Files.copy(Fixtures.of("checkpoints/llama/config.json"), directory.resolve("config.json"));
    try (var writer =
        SafetensorsWriter.create(
            directory.resolve("model.safetensors"),
            List.of(TensorSpec.of("model.norm.weight", TensorType.F32, 2)),
            Map.of())) {
      writer.append("model.norm.weight", new float[] {1, 1e6f});
      writer.commit();
    }
    Path target = temporary.resolve("f16");
    try (var checkpoint = Checkpoint.open(directory)) {
      assertThatThrownBy(() ->
              Conversion.toSafetensors(
                  checkpoint, target, Optional.of(TensorType.F16), Conversion.Progress.NONE))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("1 weights beyond the range of F16")
          .hasMessageContaining("write BF16 or F32 instead");
    }
    try (var files = Files.list(target)) {
      assertThat(files).isEmpty();
    }
  }

  @Test
  void anUnalignedTensorIsCopiedNotRefused() throws IOException {
    // One odd byte in front, as the format allows.
    String header =
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
            + "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}";
    var buffer =
        java.nio.ByteBuffer.allocate(8 + header.length() + 5)
            .order(java.nio.ByteOrder.LITTLE_ENDIAN)
            .putLong(header.length())
            .put(header.getBytes(java.nio.charset.StandardCharsets.UTF_8))
            .put((byte) 1)
            .putFloat(2.5f);
    Files.write(directory.resolve("model.safetensors"), buffer.array());
    Files.writeString(directory.resolve("config.json"), "{}");
    try (var checkpoint = Checkpoint.open(directory)) {
      boolean aligned = (8 + header.length() + 1) % 4 == 0;
      assertThat(checkpoint.mapped("b")).isEqualTo(aligned);
      MemorySegment value = checkpoint.read("b");
      assertThat(value.get(java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED, 0)).isEqualTo(2.5f);
      assertThat(value.address() % 4).isZero();
    }
  }

  @Test
  @Tag("weights")
  void smolLmIsALlamaWithAVocabulary() {
    String models = System.getenv("FATHOM_TEST_MODELS");
    assumeThat(models)
        .as("FATHOM_TEST_MODELS names the directory with SmolLM2-135M-Instruct.Q4_1.gguf")
        .isNotBlank();
    Path file = Path.of(models).resolve("SmolLM2-135M-Instruct.Q4_1.gguf");
    assumeThat(file).exists();
    Path copy = temporary.resolve("copy.gguf");
    try (var checkpoint = Checkpoint.open(file)) {
      assertThat(checkpoint.config().path("num_hidden_layers").asInt()).isEqualTo(30);
      assertThat(checkpoint.config().path("tie_word_embeddings").asBoolean()).isTrue();
      var vocabulary = checkpoint.vocabulary().orElseThrow();
      assertThat(vocabulary.tokens()).hasSize(49_152);
      assertThat(vocabulary.pre()).isEqualTo("smollm");
      assertThat(vocabulary.chatTemplate()).isPresent();
      Conversion.toSafetensors(
          checkpoint, directory, Optional.of(TensorType.F32), Conversion.Progress.NONE);
      try (var converted = Checkpoint.open(directory)) {
        Conversion.toGguf(
            converted,
            copy,
            TensorType.F32,
            checkpoint.tokenizerMetadata(),
            Conversion.Progress.NONE);
      }
      try (var back = Checkpoint.open(copy)) {
        for (String name : checkpoint.tensors().keySet()) {
          try (var arena = Arena.ofShared()) {
            assertThat(back.read(name, arena).mismatch(checkpoint.read(name, arena)))
                .as(name)
                .isEqualTo(-1);
          }
        }
        var copied = back.vocabulary().orElseThrow();
        assertThat(copied.tokens().equals(vocabulary.tokens())).isTrue();
        assertThat(copied.merges().equals(vocabulary.merges())).isTrue();
        assertThat(copied.types()).isEqualTo(vocabulary.types());
        assertThat(copied.chatTemplate()).isEqualTo(vocabulary.chatTemplate());
        assertThat(copied.eos()).isEqualTo(vocabulary.eos());
        var config = checkpoint.config();
        assertThat(back.config()).isEqualTo(config);
      }
    }
  }
}
