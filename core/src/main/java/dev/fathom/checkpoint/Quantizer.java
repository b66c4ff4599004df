package dev.fathom.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.stream.LongStream;

/// Encodes 32-bit floats as F32, F16, BF16 or Q8_0, rounding as ggml's reference does.
public final class Quantizer {
  private static final int CHUNK = 16_384;
  private static final long PARALLEL_FROM = 8L * CHUNK;

  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private Quantizer() {}

  /// Encodes `elements` floats of `source` at the start of `destination`.
  ///
  /// F16 and BF16 round to nearest, ties to even. Q8_0 takes `d = max|x| / 127` of each 32 values
  /// and stores `x · (1/d)` rounded half away from zero, and `d` as binary16.
  ///
  /// @return how many finite values became infinite: F16 ends at 65,504
  /// @throws IllegalArgumentException for another type, too small segments, or incomplete blocks
  public static long fromF32(
      TensorType type, MemorySegment source, long elements, MemorySegment destination) {
    long bytes = type.bytesFor(elements);
    if (source.byteSize() / 4 < elements || destination.byteSize() < bytes) {
      throw new IllegalArgumentException(
          "%d elements become %d bytes of %s, the segments have %d and %d bytes"
              .formatted(elements, bytes, type, source.byteSize(), destination.byteSize()));
    }
    switch (type) {
      case F32 -> {
        MemorySegment.copy(source, 0, destination, 0, bytes);
        return 0;
      }
      case F16, BF16, Q8_0 -> {
        long chunks = (elements + CHUNK - 1) / CHUNK;
        var each = LongStream.range(0, chunks);
        if (elements >= PARALLEL_FROM) {
          each = each.parallel();
        }
        return each.map(
                chunk -> {
                  long from = chunk * CHUNK;
                  return encode(
                      type, source, from, (int) Math.min(CHUNK, elements - from), destination);
                })
            .sum();
      }
      default ->
          throw new IllegalArgumentException(
              "cannot encode as %s; choose F32, F16, BF16 or Q8_0".formatted(type));
    }
  }

  private static long encode(
      TensorType type, MemorySegment source, long from, int count, MemorySegment destination) {
    float[] in = new float[count];
    MemorySegment.copy(source, FLOAT, 4 * from, in, 0, count);
    byte[] out = new byte[(int) type.bytesFor(count)];
    long overflows =
        switch (type) {
          case F16 -> f16(in, out);
          case BF16 -> bf16(in, out);
          default -> q8_0(in, out);
        };
    MemorySegment.copy(
        out,
        0,
        destination,
        ValueLayout.JAVA_BYTE,
        from / type.blockSize() * type.blockBytes(),
        out.length);
    return overflows;
  }

  private static long f16(float[] in, byte[] out) {
    long overflows = 0;
    for (int i = 0; i < in.length; i++) {
      short half = Float.floatToFloat16(in[i]);
      putShort(out, 2 * i, half);
      overflows += (half & 0x7FFF) == 0x7C00 && Float.isFinite(in[i]) ? 1 : 0;
    }
    return overflows;
  }

  private static long bf16(float[] in, byte[] out) {
    long overflows = 0;
    for (int i = 0; i < in.length; i++) {
      int bits = Float.floatToRawIntBits(in[i]);
      boolean nan = Float.isNaN(in[i]);
      int upper = nan ? bits >>> 16 | 0x40 : (bits + 0x7FFF + (bits >>> 16 & 1)) >>> 16;
      putShort(out, 2 * i, (short) upper);
      overflows += (upper & 0x7FFF) == 0x7F80 && Float.isFinite(in[i]) ? 1 : 0;
    }
    return overflows;
  }

  private static long q8_0(float[] in, byte[] out) {
    long overflows = 0;
    for (int block = 0; block < in.length / 32; block++) {
      float largest = 0;
      for (int i = 0; i < 32; i++) {
        largest = Math.max(largest, Math.abs(in[32 * block + i]));
      }
      float d = largest / 127;
      float inverse = d == 0 ? 0 : 1 / d;
      short half = Float.floatToFloat16(d);
      overflows += (half & 0x7FFF) == 0x7C00 && Float.isFinite(d) ? 32 : 0;
      putShort(out, 34 * block, half);
      for (int i = 0; i < 32; i++) {
        out[34 * block + 2 + i] = (byte) awayFromZero(in[32 * block + i] * inverse);
      }
    }
    return overflows;
  }

  /// Rounds to the nearest whole number, halves away from zero, as C's `roundf`.
  private static int awayFromZero(float x) {
    float magnitude = Math.abs(x);
    int down = (int) magnitude;
    int rounded = magnitude - down >= 0.5f ? down + 1 : down;
    return x < 0 ? -rounded : rounded;
  }

  private static void putShort(byte[] out, int at, short value) {
    out[at] = (byte) value;
    out[at + 1] = (byte) (value >>> 8);
  }
}
