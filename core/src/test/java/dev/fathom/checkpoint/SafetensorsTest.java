package dev.fathom.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsTest {
  private static final List<TensorType> TYPES =
      List.of(
          TensorType.F64,
          TensorType.F32,
          TensorType.F16,
          TensorType.BF16,
          TensorType.I64,
          TensorType.I32,
          TensorType.I16,
          TensorType.I8,
          TensorType.U8,
          TensorType.BOOL);

  @TempDir Path directory;

  @Test
  void aFileOfTheReferenceImplementationIsRead() {
    try (var file = SafetensorsFile.open(Fixtures.of("written_by_python/types.safetensors"))) {
      assertThat(file.metadata()).isEqualTo(Map.of("format", "np", "note", "grüße"));
      assertThat(file.tensors().keySet())
          .containsExactlyInAnyOrder("f16", "i64", "scalar", "none", "flags", "ünder.strich");
      assertThat(file.tensor("i64").shape()).containsExactly(2L, 1L);
      assertThat(file.bytes("i64").get(ValueLayout.JAVA_LONG_UNALIGNED, 8)).isEqualTo(-(1L << 40));
      assertThat(file.tensor("scalar").shape()).isEmpty();
      assertThat(file.tensor("scalar").elements()).isEqualTo(1);
      assertThat(file.bytes("scalar").get(ValueLayout.JAVA_DOUBLE_UNALIGNED, 0)).isEqualTo(2.5);
      assertThat(file.tensor("none").shape()).containsExactly(0L, 3L);
      assertThat(file.bytes("none").byteSize()).isZero();
      assertThat(file.bytes("flags").toArray(ValueLayout.JAVA_BYTE)).containsExactly(1, 0, 1);
      assertThat(file.bytes("f16").isReadOnly()).isTrue();
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
  void whatIsWrittenIsReadBack(long seed) {
    var random = new Random(seed);
    var specs = new ArrayList<TensorSpec>();
    var contents = new HashMap<String, byte[]>();
    for (int i = random.nextInt(8); i >= 0; i--) {
      long[] shape = random.longs(random.nextInt(4), 0, 7).toArray();
      var spec =
          TensorSpec.of("t%d \"ü\"".formatted(i), TYPES.get(random.nextInt(TYPES.size())), shape);
      byte[] content = new byte[(int) spec.bytes()];
      random.nextBytes(content);
      specs.add(spec);
      contents.put(spec.name(), content);
    }
    Path path = directory.resolve("x.safetensors");
    Map<String, String> metadata = Map.of("key", "välue\n\u0001");
    try (var writer = SafetensorsWriter.create(path, specs, metadata)) {
      // In pieces, and in an order that is not the declared one.
      for (TensorSpec spec : specs.reversed()) {
        byte[] content = contents.getOrDefault(spec.name(), new byte[0]);
        int half = content.length / 2;
        MemorySegment whole = MemorySegment.ofArray(content);
        writer.append(spec.name(), whole.asSlice(0, half));
        writer.append(spec.name(), whole.asSlice(half));
      }
      writer.commit();
    }
    try (var file = SafetensorsFile.open(path)) {
      assertThat(file.metadata()).as("seed %d", seed).isEqualTo(metadata);
      assertThat(file.tensors()).hasSameSizeAs(specs);
      for (TensorSpec spec : specs) {
        TensorInfo info = file.tensor(spec.name());
        assertThat(info.type()).isEqualTo(spec.type());
        assertThat(info.shape()).isEqualTo(spec.shape());
        assertThat(info.offset() % info.type().blockBytes()).as("aligned").isZero();
        assertThat(file.bytes(spec.name()).toArray(ValueLayout.JAVA_BYTE))
            .as("seed %d, %s", seed, spec)
            .isEqualTo(contents.get(spec.name()));
      }
    }
  }

  @Test
  void withoutCommitNothingRemainsAndWhatWasThereStays() throws IOException {
    Path path = directory.resolve("x.safetensors");
    Files.writeString(path, "before");
    try (var writer =
        SafetensorsWriter.create(path, List.of(TensorSpec.of("a", TensorType.F32, 2)), Map.of())) {
      writer.append("a", new float[] {1});
      assertThatThrownBy(writer::commit)
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("x.safetensors: tensor 'a' has 4 of its 8 bytes");
    }
    assertThat(path).hasContent("before");
    try (var files = Files.list(directory)) {
      assertThat(files).containsExactly(path);
    }
  }

  @Test
  void aCommittedFileReplacesWhatWasThere() throws IOException {
    Path path = directory.resolve("x.safetensors");
    Files.writeString(path, "before");
    try (var writer =
        SafetensorsWriter.create(path, List.of(TensorSpec.of("a", TensorType.BF16, 2)), Map.of())) {
      writer.append("a", new float[] {1, -2});
      writer.commit();
    }
    try (var file = SafetensorsFile.open(path);
        var files = Files.list(directory)) {
      assertThat(file.bytes("a").toArray(ValueLayout.JAVA_SHORT_UNALIGNED))
          .containsExactly((short) 0x3F80, (short) 0xC000);
      assertThat(files).containsExactly(path);
    }
  }

  @Test
  void wrongUseOfAWriterIsRefused() {
    Path path = directory.resolve("x.safetensors");
    var specs = List.of(TensorSpec.of("weight", TensorType.F32, 1));
    try (var writer = SafetensorsWriter.create(path, specs, Map.of())) {
      assertThatThrownBy(() -> writer.append("weigth", new float[1]))
          .hasMessageContaining("'weigth' was not declared (did you mean weight?)");
      assertThatThrownBy(() -> writer.append("weight", new float[2]))
          .hasMessageContaining("was declared with 4 bytes, got 8 after the first 0");
    }
    assertThatThrownBy(
            () -> SafetensorsWriter.create(path, List.of(specs.get(0), specs.get(0)), Map.of()))
        .hasMessageContaining("the tensor name 'weight' is taken");
    assertThatThrownBy(() ->
            SafetensorsWriter.create(
                path, List.of(TensorSpec.of("q", TensorType.Q4_0, 32)), Map.of()))
        .hasMessageContaining("safetensors has no type Q4_0");
    assertThatThrownBy(() -> SafetensorsWriter.create(directory.resolve("no/x"), specs, Map.of()))
        .isInstanceOf(FathomException.class);
  }

  @ParameterizedTest
  @Timeout(2)
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}} | 7 | its tensors need",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} | 5 | 1 bytes at its end belong to no tensor",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}} | 4 | needs 8 bytes, its offsets [0, 4] give 4",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}} | 6 | inside the tensor before it",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}} | 3 | leaving a gap",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296,2],\"data_offsets\":[0,1]}} | 1 | absurd shape",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}} | 1 | whole numbers >= 0",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1e3],\"data_offsets\":[0,1]}} | 1 | whole numbers >= 0",
        "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}} | 1 | has the type F8_E4M3, which is not supported",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}} | 1 | Duplicate",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}} | 1 | lacks dtype, shape or its two data_offsets",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}} | 1 | unknown attribute 'x'",
        "{\"__metadata__\":{\"a\":1}} | 0 | expected a string",
        "{} {} | 0 | something follows",
        "[] | 0 | does not start with '{'",
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{ | 0 | unknown attribute 'a'",
        "{\"a\": | 0 | not valid JSON"
      })
  void aHeaderThatDoesNotFitIsRefused(String header, int data, String message) throws IOException {
    Path path = directory.resolve("bad.safetensors");
    Files.write(path, file(header.getBytes(StandardCharsets.UTF_8), data));
    assertThatThrownBy(() -> SafetensorsFile.open(path))
        .isInstanceOf(FathomException.class)
        .hasMessageStartingWith("bad.safetensors: ")
        .hasMessageContaining(message);
    // A refused file is unmapped, so that its owner can repair it.
    Files.delete(path);
  }

  @ParameterizedTest
  @Timeout(2)
  @ValueSource(longs = {0, 1, 100_000_001, Long.MAX_VALUE, Long.MIN_VALUE, -1})
  void anAbsurdHeaderLengthIsRefused(long length) throws IOException {
    byte[] bytes = file("{}".getBytes(StandardCharsets.UTF_8), 0);
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
    Path path = directory.resolve("bad.safetensors");
    Files.write(path, bytes);
    assertThatThrownBy(() -> SafetensorsFile.open(path))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining(
            "not a safetensors file: its header claims " + Long.toUnsignedString(length));
  }

  @Test
  void whatIsNoFileIsRefused() {
    assertThatThrownBy(() -> SafetensorsFile.open(directory.resolve("none")))
        .isInstanceOf(FathomException.class)
        .hasMessageEndingWith("no such file");
    assertThatThrownBy(() -> SafetensorsFile.open(directory))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("expected a weight file");
    assertThatThrownBy(() -> WeightFile.open(Fixtures.of("written_by_python/make.py")))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("not a safetensors file");
  }

  @Test
  void namesThatAreNotUtf8AreRefused() throws IOException {
    byte[] header =
        "{\"??\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"
            .getBytes(StandardCharsets.UTF_8);
    header[2] = (byte) 0xFF;
    Path path = directory.resolve("bad.safetensors");
    Files.write(path, file(header, 0));
    assertThatThrownBy(() -> SafetensorsFile.open(path))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("not valid JSON");
  }

  @Test
  void anUnknownTensorNameIsAnsweredWithTheNearest() {
    try (var file = SafetensorsFile.open(Fixtures.of("checkpoints/llama/model.safetensors"))) {
      assertThatThrownBy(() -> file.bytes("model.norms.weight"))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("(did you mean model.norm.weight?)");
    }
  }

  private static byte[] file(byte[] header, int data) {
    var out = new ByteArrayOutputStream();
    out.writeBytes(
        ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(header.length).array());
    out.writeBytes(header);
    out.writeBytes(new byte[data]);
    return out.toByteArray();
  }
}
