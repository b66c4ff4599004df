package dev.fathom.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class DequantizerTest {
  @ParameterizedTest
  @EnumSource(
      names = {
        "F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K",
        "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"
      })
  void valuesEqualTheReferenceBitForBit(TensorType type) {
    try (var gguf = GgufFile.open(Fixtures.of("gguf/" + type + ".gguf"));
        var expected = SafetensorsFile.open(Fixtures.of("gguf/" + type + ".expected.safetensors"));
        var arena = Arena.ofConfined()) {
      TensorInfo info = gguf.tensor("t");
      assertThat(info.type()).isEqualTo(type);
      assertThat(info.shape()).isEqualTo(expected.tensor("t").shape());
      MemorySegment values = arena.allocate(4 * info.elements(), 64);
      Dequantizer.toF32(type, gguf.bytes("t"), info.elements(), values);
      assertThat(values.mismatch(expected.bytes("t"))).isEqualTo(-1);
    }
  }

  @ParameterizedTest
  @EnumSource
  void manyThreadsDecodeWhatOneDoes(TensorType type) {
    try (var arena = Arena.ofShared()) {
      long elements = 256L * 2000;
      MemorySegment source = arena.allocate(type.bytesFor(elements));
      byte[] noise = new byte[(int) source.byteSize()];
      new Random(7).nextBytes(noise);
      source.copyFrom(MemorySegment.ofArray(noise));
      MemorySegment together = arena.allocate(4 * elements);
      Dequantizer.toF32(type, source, elements, together);
      MemorySegment alone = arena.allocate(4 * elements);
      for (long from = 0; from < elements; from += 256) {
        Dequantizer.decode(type, source, from, 256, alone, from);
      }
      // Noise scales can be NaN, and a NaN's bits may depend on how the loop was compiled.
      assertThat(together.toArray(ValueLayout.JAVA_FLOAT))
          .isEqualTo(alone.toArray(ValueLayout.JAVA_FLOAT));
    }
  }

  @Test
  void plainTypesBecomeTheNearestFloat() {
    MemorySegment out = MemorySegment.ofArray(new byte[8]);
    Dequantizer.toF32(TensorType.F64, MemorySegment.ofArray(new double[] {0.1, -3}), 2, out);
    assertThat(out.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 0)).isEqualTo(0.1f);
    assertThat(out.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4)).isEqualTo(-3f);
    Dequantizer.toF32(TensorType.U8, MemorySegment.ofArray(new byte[] {-1, 2}), 2, out);
    assertThat(out.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 0)).isEqualTo(255f);
    Dequantizer.toF32(TensorType.I64, MemorySegment.ofArray(new long[] {-5, 1L << 40}), 2, out);
    assertThat(out.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4)).isEqualTo(0x1p40f);
  }

  @Test
  void partsOfBlocksAndShortSegmentsAreRefused() {
    MemorySegment small = MemorySegment.ofArray(new byte[18]);
    assertThatThrownBy(() -> Dequantizer.toF32(TensorType.Q4_0, small, 31, small))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("31 elements are not a whole number of Q4_0 blocks of 32");
    assertThatThrownBy(() -> Dequantizer.toF32(TensorType.Q4_0, small, 32, small))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("become 128");
  }
}
