package dev.fathom.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.fathom.FathomException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;

/// Whatever the bytes are, a file is either sound or refused with one sentence: no other exception,
/// no endless loop, no allocation beyond the file's size. The corpus is replayed in every build;
/// `JAZZER_FUZZ=1` searches on from it.
class HostileFilesFuzzTest {
  private static @Nullable Path scratch;

  @FuzzTest(maxDuration = "3m")
  void aSafetensorsFileIsSoundOrRefused(byte[] file) {
    try {
      var header = SafetensorsFile.parse(MemorySegment.ofArray(file), "fuzz");
      soundTensors(header.tensors(), file, false);
    } catch (FathomException expected) {
      assertThat(expected).hasMessageStartingWith("fuzz: ");
    }
  }

  @FuzzTest(maxDuration = "3m")
  void aGgufFileIsSoundOrRefused(byte[] file) {
    try {
      var header = GgufFile.parse(MemorySegment.ofArray(file), "fuzz");
      soundTensors(header.tensors(), file, true);
      if (header.fields().keySet().stream().anyMatch(key -> key.startsWith("tokenizer."))) {
        GgufVocabulary.read(header.fields());
      }
    } catch (FathomException expected) {
      assertThat(expected.getMessage()).isNotBlank();
    }
  }

  @FuzzTest(maxDuration = "3m")
  void aGgufModelIsPresentedOrRefused(byte[] file) throws IOException {
    Path path = scratch();
    Files.write(path, file);
    try (var checkpoint = Checkpoint.open(path)) {
      assertThat(checkpoint.config().isEmpty()).isFalse();
      for (TensorInfo info : checkpoint.tensors().values()) {
        if (info.elements() <= 1 << 16) {
          assertThat(checkpoint.read(info.name()).byteSize()).isEqualTo(info.bytes());
        }
      }
    } catch (FathomException expected) {
      assertThat(expected.getMessage()).isNotBlank();
    }
  }

  @FuzzTest(maxDuration = "3m")
  void aShardIndexStaysInItsDirectoryOrIsRefused(byte[] json) {
    try {
      for (String file : ShardIndex.of(JsonFiles.parse(json, "fuzz"), "fuzz").files().values()) {
        Path directory = Path.of("model").toAbsolutePath();
        assertThat(directory.resolve(file).normalize().getParent()).isEqualTo(directory);
      }
    } catch (FathomException expected) {
      assertThat(expected).hasMessageStartingWith("fuzz: ");
    }
  }

  @FuzzTest(maxDuration = "3m")
  void aConfigurationIsReadOrRefused(byte[] json) {
    try {
      var reader = new ConfigReader(JsonFiles.parse(json, "fuzz"), "llama");
      reader.requireInt("hidden_size", "n_embd");
      reader.requireDouble("rms_norm_eps");
      reader.boolOr(false, "attention_bias");
      reader.strings("layer_types");
      RopeConfig rope = reader.rope(10_000);
      reader.mustBe("hidden_act", "silu");
      reader.finish();
      assertThat(RopeConfig.TYPES).contains(rope.type());
      assertThat(rope.theta()).isPositive();
    } catch (FathomException expected) {
      assertThat(expected.getMessage()).isNotBlank();
    }
  }

  private static void soundTensors(Map<String, TensorInfo> tensors, byte[] file, boolean decode) {
    long sum = 0;
    for (TensorInfo info : tensors.values()) {
      assertThat(info.offset()).isBetween(0L, (long) file.length);
      assertThat(info.bytes()).isBetween(0L, file.length - info.offset());
      assertThat(info.bytes()).isEqualTo(info.type().bytesFor(info.elements()));
      sum += info.bytes();
      if (decode && info.elements() <= 1 << 16) {
        byte[] floats = new byte[(int) (4 * info.elements())];
        Dequantizer.toF32(
            info.type(),
            MemorySegment.ofArray(file).asSlice(info.offset(), info.bytes()),
            info.elements(),
            MemorySegment.ofArray(floats));
      }
    }
    assertThat(sum).isLessThanOrEqualTo(file.length);
  }

  private static Path scratch() throws IOException {
    Path file = scratch;
    if (file == null) {
      file = Files.createTempFile("fathom-fuzz", ".gguf");
      scratch = file;
    }
    return file;
  }

  @AfterAll
  static void removeScratch() throws IOException {
    if (scratch != null) {
      Files.deleteIfExists(scratch);
    }
  }
}
