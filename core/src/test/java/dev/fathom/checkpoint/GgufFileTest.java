package dev.fathom.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import dev.fathom.text.Vocabulary;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Headers that do not fit are in the corpus of [HostileFilesFuzzTest].
class GgufFileTest {
  @TempDir Path directory;

  @Test
  void everyKindOfMetadataIsRead() {
    try (var file = GgufFile.open(Fixtures.of("written_by_python/metadata.gguf"))) {
      Map<String, Object> metadata = file.metadata();
      assertThat(metadata)
          .containsEntry("general.architecture", "none")
          .containsEntry("test.uint8", 255L)
          .containsEntry("test.int8", -128L)
          .containsEntry("test.uint16", 65_535L)
          .containsEntry("test.int16", -32_768L)
          .containsEntry("test.uint32", 0xFFFF_FFFFL)
          .containsEntry("test.int32", (long) Integer.MIN_VALUE)
          .containsEntry("test.uint64", BigInteger.TWO.pow(64).subtract(BigInteger.ONE))
          .containsEntry("test.int64", Long.MIN_VALUE)
          .containsEntry("test.float32", 1e-5)
          .containsEntry("test.float64", 0.1)
          .containsEntry("test.bool", true)
          .containsEntry("test.string", "grüße 🌊")
          .containsEntry("test.strings", List.of("a", "", "ü"))
          .containsEntry("test.bools", List.of(true, false))
          .containsEntry("test.uint8s", List.of(1L, 2L, 255L));
      assertThat((int[]) metadata.get("test.int32s")).containsExactly(1, -2, 3);
      assertThat((float[]) metadata.get("test.float32s")).containsExactly(0.5f, -1.25f);
    }
  }

  @Test
  void shapesRunOutermostFirst() {
    try (var file = GgufFile.open(Fixtures.of("written_by_python/metadata.gguf"))) {
      assertThat(file.tensor("matrix").shape()).containsExactly(2L, 3L);
      assertThat(file.bytes("matrix").toArray(ValueLayout.JAVA_FLOAT_UNALIGNED))
          .containsExactly(0, 1, 2, 3, 4, 5);
      assertThat(file.tensor("vector").type()).isEqualTo(TensorType.I32);
      assertThat(file.bytes("vector").toArray(ValueLayout.JAVA_INT_UNALIGNED))
          .containsExactly(-1, 2);
    }
  }

  @Test
  void aCopyHasTheSameTypesAndValues() throws IOException {
    Path copy = directory.resolve("copy.gguf");
    Path original = Fixtures.of("written_by_python/metadata.gguf");
    try (var file = GgufFile.open(original)) {
      var specs =
          file.tensors().values().stream()
              .map(t -> new TensorSpec(t.name(), t.type(), t.shape()))
              .toList();
      try (var writer = GgufWriter.create(copy, specs, file.fields())) {
        specs.forEach(spec -> writer.append(spec.name(), file.bytes(spec.name())));
        writer.commit();
      }
    }
    byte[] written = Files.readAllBytes(copy);
    byte[] expected = Files.readAllBytes(original);
    // The reference pads the last tensor too; nothing reads that.
    assertThat(expected).startsWith(written);
    assertThat(expected.length - written.length).isBetween(0, 31);
  }

  @Test
  void anotherAlignmentIsHonoured() {
    Path path = directory.resolve("aligned.gguf");
    var specs =
        List.of(TensorSpec.of("a", TensorType.I8, 3), TensorSpec.of("b", TensorType.F32, 1));
    try (var writer =
        GgufWriter.create(path, specs, Map.of("general.alignment", GgufValue.uint32(128)))) {
      writer.append("a", MemorySegment.ofArray(new byte[] {1, 2, 3}));
      writer.append("b", new float[] {4});
      writer.commit();
    }
    try (var file = GgufFile.open(path)) {
      assertThat(file.tensor("a").offset() % 128).isZero();
      assertThat(file.tensor("b").offset() % 128).isZero();
      assertThat(file.bytes("b").get(ValueLayout.JAVA_FLOAT_UNALIGNED, 0)).isEqualTo(4);
    }
  }

  @Test
  void aVocabularyReturnsAsItWas() {
    var vocabulary =
        new Vocabulary(
            "gpt2",
            "smollm",
            List.of("a", "b", "ab"),
            new float[] {0, -1, 2},
            new int[] {3, 1, 1},
            List.of("a b"),
            OptionalInt.of(0),
            OptionalInt.of(1),
            OptionalInt.empty(),
            OptionalInt.of(2),
            OptionalInt.empty(),
            OptionalInt.empty(),
            OptionalInt.empty(),
            Optional.of(false),
            Optional.empty(),
            Optional.of(true),
            Optional.of("{{ messages }}"));
    Path path = directory.resolve("v.gguf");
    try (var writer = GgufWriter.create(path, List.of(), GgufVocabulary.write(vocabulary))) {
      writer.commit();
    }
    try (var file = GgufFile.open(path)) {
      Vocabulary back = GgufVocabulary.read(file.fields()).orElseThrow();
      assertThat(back).usingRecursiveComparison().withStrictTypeChecking().isEqualTo(vocabulary);
    }
  }

  @Test
  void aVocabularyWhoseListsDisagreeIsRefused() {
    var metadata = new LinkedHashMap<String, GgufValue>();
    metadata.put("tokenizer.ggml.model", GgufValue.string("llama"));
    metadata.put("tokenizer.ggml.tokens", GgufValue.strings(List.of("a", "b")));
    metadata.put("tokenizer.ggml.scores", GgufValue.floats(1));
    assertThatThrownBy(() -> GgufVocabulary.read(metadata))
        .isInstanceOf(FathomException.class)
        .hasMessage("tokenizer.ggml.scores has 1 entries for 2 tokens");
    metadata.put("tokenizer.ggml.scores", GgufValue.string("high"));
    assertThatThrownBy(() -> GgufVocabulary.read(metadata))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("expected a list of 32-bit floats");
  }

  @Test
  void refusalsNameWhatWasFound() {
    assertThatThrownBy(() -> GgufFile.open(corpus("unknown-type")))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("tensor 't' has the type IQ2_XXS, which is not supported");
    assertThatThrownBy(() -> GgufFile.open(corpus("big-endian")))
        .hasMessageContaining("big-endian");
    assertThatThrownBy(() -> GgufFile.open(corpus("version-1")))
        .hasMessageContaining("GGUF version 1 is not supported, expected 2 or 3");
    assertThatThrownBy(() -> GgufFile.open(corpus("many-tensors")))
        .hasMessageContaining("claims 9223372036854775808 tensors");
    assertThatThrownBy(() -> GgufFile.open(corpus("huge-array")))
        .hasMessageContaining("the metadata array 'a' claims 2305843009213693952 elements");
    assertThatThrownBy(() -> GgufFile.open(corpus("overlap")))
        .hasMessageContaining("inside the tensor before it");
    assertThatThrownBy(() -> GgufFile.open(corpus("gap"))).hasMessageContaining("leaving a gap");
    assertThatThrownBy(() -> GgufFile.open(corpus("duplicate")))
        .hasMessageContaining("the metadata key 'k' appears twice");
    assertThatThrownBy(() -> GgufFile.open(corpus("bad-utf8"))).hasMessageContaining("not UTF-8");
    assertThatThrownBy(() -> GgufFile.open(corpus("deep-array")))
        .hasMessageContaining("nests arrays deeper than 4");
    assertThatThrownBy(() -> GgufFile.open(corpus("cut-data")))
        .hasMessageContaining("the file is too short for that");
    assertThatThrownBy(() -> GgufFile.open(corpus("alignment-zero")))
        .hasMessageContaining("general.alignment is 0, expected a power of two");
  }

  private static Path corpus(String name) {
    return Fixtures.resource(
        "/dev/fathom/checkpoint/HostileFilesFuzzTestInputs/aGgufFileIsSoundOrRefused/" + name);
  }
}
