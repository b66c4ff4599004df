package dev.fathom.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class QuantizerTest {
  @ParameterizedTest
  @EnumSource(names = {"F16", "BF16", "Q8_0"})
  void roundingEqualsTheReferenceBitForBit(TensorType type) {
    try (var file = SafetensorsFile.open(Fixtures.of("written_by_python/quantized.safetensors"));
        var arena = Arena.ofConfined()) {
      long elements = file.tensor("values").elements();
      MemorySegment encoded = arena.allocate(type.bytesFor(elements));
      long overflows = Quantizer.fromF32(type, file.bytes("values"), elements, encoded);
      assertThat(overflows).isZero();
      assertThat(encoded.mismatch(file.bytes(type.name()))).isEqualTo(-1);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16", "Q8_0"})
  void whatWasDecodedIsEncodedAsItWas(TensorType type) {
    try (var file = GgufFile.open(Fixtures.of("gguf/" + type + ".gguf"));
        var arena = Arena.ofShared()) {
      long elements = file.tensor("t").elements();
      MemorySegment floats = arena.allocate(4 * elements);
      Dequantizer.toF32(type, file.bytes("t"), elements, floats);
      MemorySegment encoded = arena.allocate(type.bytesFor(elements));
      Quantizer.fromF32(type, floats, elements, encoded);
      MemorySegment again = arena.allocate(4 * elements);
      Dequantizer.toF32(type, encoded, elements, again);
      assertThat(again.mismatch(floats)).isEqualTo(-1);
    }
  }

  @Test
  void valuesBeyondBinary16AreCounted() {
    float[] values = {65_504, 65_519, 65_520, -1e6f, Float.POSITIVE_INFINITY, Float.NaN};
    MemorySegment out = MemorySegment.ofArray(new byte[12]);
    byte[] in = new byte[24];
    java.nio.ByteBuffer.wrap(in)
        .order(java.nio.ByteOrder.LITTLE_ENDIAN)
        .asFloatBuffer()
        .put(values);
    assertThat(Quantizer.fromF32(TensorType.F16, MemorySegment.ofArray(in), 6, out)).isEqualTo(2);
  }

  @Test
  void otherTypesAreRefused() {
    MemorySegment bytes = MemorySegment.ofArray(new byte[2048]);
    assertThatThrownBy(() -> Quantizer.fromF32(TensorType.Q4_K, bytes, 256, bytes))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("choose F32, F16, BF16 or Q8_0");
  }
}
