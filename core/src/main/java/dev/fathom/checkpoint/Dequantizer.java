package dev.fathom.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.function.LongUnaryOperator;
import java.util.stream.LongStream;

/// Turns stored numbers of any [TensorType] into 32-bit floats, exactly as ggml's reference does:
/// the same operations in the same order, so results agree bit for bit.
///
/// A block holds its scale `d` (binary16) and small integers `q`; a value is `d·q`, or `d·q + m`
/// where the block has a minimum. The K types group eight or sixteen such scales, themselves
/// integers, under one binary16 scale per 256 elements. The IQ4 types look `q` up in a table of 16
/// uneven steps.
public final class Dequantizer {
  /// Elements decoded at a time by one thread: small enough for the cache, a multiple of every
  /// block.
  private static final int CHUNK = 16_384;

  /// Below this the work is not worth a second thread.
  private static final long PARALLEL_FROM = 8L * CHUNK;

  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /// The 16 steps of IQ4_NL and IQ4_XS.
  private static final byte[] STEPS = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
  };

  private Dequantizer() {}

  /// Decodes `elements` elements of `source` into 32-bit floats at the start of `destination`,
  /// using every core for large tensors.
  ///
  /// @throws IllegalArgumentException if a segment is too small or `elements` is not whole blocks
  public static void toF32(
      TensorType type, MemorySegment source, long elements, MemorySegment destination) {
    long bytes = type.bytesFor(elements);
    if (source.byteSize() < bytes || destination.byteSize() / 4 < elements) {
      throw new IllegalArgumentException(
          "%d elements of %s need %d bytes and become %d, the segments have %d and %d"
              .formatted(
                  elements, type, bytes, 4 * elements, source.byteSize(), destination.byteSize()));
    }
    if (type == TensorType.F32) {
      MemorySegment.copy(source, 0, destination, 0, bytes);
      return;
    }
    long chunks = (elements + CHUNK - 1) / CHUNK;
    var each = LongStream.range(0, chunks);
    if (elements >= PARALLEL_FROM) {
      each = each.parallel();
    }
    each.forEach(chunk -> {
      long from = chunk * CHUNK;
      decode(type, source, from, (int) Math.min(CHUNK, elements - from), destination, from);
    });
  }

  /// Decodes a matrix whose row `r` shall become row `place(r)` of `destination`.
  static void rowsToF32(
      TensorInfo matrix, MemorySegment source, MemorySegment destination, LongUnaryOperator place) {
    int width = Math.toIntExact(matrix.rowElements());
    var rows = LongStream.range(0, width == 0 ? 0 : matrix.elements() / width);
    if (matrix.elements() >= PARALLEL_FROM) {
      rows = rows.parallel();
    }
    rows.forEach(row ->
        decode(
            matrix.type(),
            source,
            row * width,
            width,
            destination,
            place.applyAsLong(row) * width));
  }

  /// Decodes `count` elements that start at element `from` (both whole blocks) to element `to`.
  static void decode(
      TensorType type,
      MemorySegment source,
      long from,
      int count,
      MemorySegment destination,
      long to) {
    int blocks = count / type.blockSize();
    byte[] in = new byte[blocks * type.blockBytes()];
    float[] out = new float[count];
    MemorySegment.copy(
        source,
        ValueLayout.JAVA_BYTE,
        from / type.blockSize() * type.blockBytes(),
        in,
        0,
        in.length);
    decode(type, in, blocks, out);
    MemorySegment.copy(out, 0, destination, FLOAT, 4 * to, count);
  }

  private static void decode(TensorType type, byte[] in, int blocks, float[] out) {
    switch (type) {
      case F64 -> {
        for (int i = 0; i < blocks; i++) {
          out[i] = (float) Double.longBitsToDouble(longAt(in, 8 * i));
        }
      }
      case F32 -> {
        for (int i = 0; i < blocks; i++) {
          out[i] = Float.intBitsToFloat(intAt(in, 4 * i));
        }
      }
      case F16 -> {
        for (int i = 0; i < blocks; i++) {
          out[i] = halfAt(in, 2 * i);
        }
      }
      case BF16 -> {
        for (int i = 0; i < blocks; i++) {
          out[i] = Float.intBitsToFloat(shortAt(in, 2 * i) << 16);
        }
      }
      case I64 -> {
        for (int i = 0; i < blocks; i++) {
          out[i] = longAt(in, 8 * i);
        }
      }
      case I32 -> {
        for (int i = 0; i < blocks; i++) {
          out[i] = intAt(in, 4 * i);
        }
      }
      case I16 -> {
        for (int i = 0; i < blocks; i++) {
          out[i] = shortAt(in, 2 * i);
        }
      }
      case I8 -> {
        for (int i = 0; i < blocks; i++) {
          out[i] = in[i];
        }
      }
      case U8, BOOL -> {
        for (int i = 0; i < blocks; i++) {
          out[i] = in[i] & 0xFF;
        }
      }
      case Q4_0 -> q4_0(in, blocks, out);
      case Q4_1 -> q4_1(in, blocks, out);
      case Q5_0 -> q5_0(in, blocks, out);
      case Q5_1 -> q5_1(in, blocks, out);
      case Q8_0 -> q8_0(in, blocks, out);
      case Q2_K -> q2K(in, blocks, out);
      case Q3_K -> q3K(in, blocks, out);
      case Q4_K -> q4K(in, blocks, out);
      case Q5_K -> q5K(in, blocks, out);
      case Q6_K -> q6K(in, blocks, out);
      case IQ4_NL -> iq4Nl(in, blocks, out);
      case IQ4_XS -> iq4Xs(in, blocks, out);
    }
  }

  /// d, then 16 bytes: low halves are elements 0–15, high halves 16–31; q − 8.
  private static void q4_0(byte[] in, int blocks, float[] out) {
    for (int b = 0; b < blocks; b++) {
      int at = b * 18;
      int to = b * 32;
      float d = halfAt(in, at);
      for (int i = 0; i < 16; i++) {
        int q = in[at + 2 + i];
        out[to + i] = d * ((q & 15) - 8);
        out[to + 16 + i] = d * (((q >> 4) & 15) - 8);
      }
    }
  }

  /// d, m, then nibbles as in Q4_0.
  private static void q4_1(byte[] in, int blocks, float[] out) {
    for (int b = 0; b < blocks; b++) {
      int at = b * 20;
      int to = b * 32;
      float d = halfAt(in, at);
      float m = halfAt(in, at + 2);
      for (int i = 0; i < 16; i++) {
        int q = in[at + 4 + i];
        out[to + i] = d * (q & 15) + m;
        out[to + 16 + i] = d * ((q >> 4) & 15) + m;
      }
    }
  }

  /// d, 32 fifth bits, nibbles; q − 16.
  private static void q5_0(byte[] in, int blocks, float[] out) {
    for (int b = 0; b < blocks; b++) {
      int at = b * 22;
      int to = b * 32;
      float d = halfAt(in, at);
      int high = intAt(in, at + 2);
      for (int i = 0; i < 16; i++) {
        int q = in[at + 6 + i];
        out[to + i] = d * ((q & 15 | (high >>> i & 1) << 4) - 16);
        out[to + 16 + i] = d * ((q >> 4 & 15 | (high >>> (i + 16) & 1) << 4) - 16);
      }
    }
  }

  /// d, m, 32 fifth bits, nibbles.
  private static void q5_1(byte[] in, int blocks, float[] out) {
    for (int b = 0; b < blocks; b++) {
      int at = b * 24;
      int to = b * 32;
      float d = halfAt(in, at);
      float m = halfAt(in, at + 2);
      int high = intAt(in, at + 4);
      for (int i = 0; i < 16; i++) {
        int q = in[at + 8 + i];
        out[to + i] = d * (q & 15 | (high >>> i & 1) << 4) + m;
        out[to + 16 + i] = d * (q >> 4 & 15 | (high >>> (i + 16) & 1) << 4) + m;
      }
    }
  }

  /// d, then 32 signed bytes.
  private static void q8_0(byte[] in, int blocks, float[] out) {
    for (int b = 0; b < blocks; b++) {
      int at = b * 34;
      int to = b * 32;
      float d = halfAt(in, at);
      for (int i = 0; i < 32; i++) {
        out[to + i] = in[at + 2 + i] * d;
      }
    }
  }

  /// 16 bytes of scale (low) and minimum (high) nibbles, 64 bytes of 2-bit q, d, dmin. Each 32
  /// bytes of q hold 128 elements: bits 0–1 the first 32, bits 2–3 the next, and so on; a scale
  /// serves 16.
  private static void q2K(byte[] in, int blocks, float[] out) {
    for (int b = 0; b < blocks; b++) {
      int at = b * 84;
      int to = b * 256;
      float d = halfAt(in, at + 80);
      float dmin = halfAt(in, at + 82);
      for (int group = 0; group < 16; group++) {
        int scales = in[at + group];
        float scale = d * (scales & 15);
        float minimum = dmin * (scales >> 4 & 15);
        int shift = group / 2 % 4 * 2;
        int q = at + 16 + group / 8 * 32 + group % 2 * 16;
        for (int i = 0; i < 16; i++) {
          out[to + 16 * group + i] = scale * (in[q + i] >> shift & 3) - minimum;
        }
      }
    }
  }

  /// 32 bytes of third bits, 64 bytes of 2-bit q (laid out as in Q2_K), 12 bytes with 16 scales of
  /// 6 bits, d. Where the third bit is *clear*, 4 is subtracted.
  private static void q3K(byte[] in, int blocks, float[] out) {
    for (int b = 0; b < blocks; b++) {
      int at = b * 110;
      int to = b * 256;
      float d = halfAt(in, at + 108);
      for (int group = 0; group < 16; group++) {
        int low = in[at + 96 + group % 8] >> (group / 8 * 4) & 15;
        int high = in[at + 104 + group % 4] >> (group / 4 * 2) & 3;
        float scale = d * ((low | high << 4) - 32);
        int shift = group / 2 % 4 * 2;
        int bit = group / 2;
        int q = at + 32 + group / 8 * 32 + group % 2 * 16;
        int mask = at + group % 2 * 16;
        for (int i = 0; i < 16; i++) {
          int third = (in[mask + i] >> bit & 1) ^ 1;
          out[to + 16 * group + i] = scale * ((in[q + i] >> shift & 3) - (third << 2));
        }
      }
    }
  }

  /// The 6-bit scale of group `g` of 8 in the 12 packed bytes of Q4_K and Q5_K.
  private static int scale6(byte[] in, int at, int g) {
    return g < 4 ? in[at + g] & 63 : in[at + 4 + g] & 15 | (in[at + g - 4] >> 6 & 3) << 4;
  }

  /// The 6-bit minimum of group `g`.
  private static int minimum6(byte[] in, int at, int g) {
    return g < 4 ? in[at + 4 + g] & 63 : in[at + 4 + g] >> 4 & 15 | (in[at + g] >> 6 & 3) << 4;
  }

  /// d, dmin, 12 bytes of scales and minima, 128 bytes of nibbles: each 32 bytes hold two groups of
  /// 32, low halves first.
  private static void q4K(byte[] in, int blocks, float[] out) {
    for (int b = 0; b < blocks; b++) {
      int at = b * 144;
      int to = b * 256;
      float d = halfAt(in, at);
      float dmin = halfAt(in, at + 2);
      for (int group = 0; group < 8; group++) {
        float scale = d * scale6(in, at + 4, group);
        float minimum = dmin * minimum6(in, at + 4, group);
        int shift = group % 2 * 4;
        int q = at + 16 + group / 2 * 32;
        for (int i = 0; i < 32; i++) {
          out[to + 32 * group + i] = scale * (in[q + i] >> shift & 15) - minimum;
        }
      }
    }
  }

  /// As Q4_K with 32 bytes of fifth bits (bit g for group g) before the nibbles.
  private static void q5K(byte[] in, int blocks, float[] out) {
    for (int b = 0; b < blocks; b++) {
      int at = b * 176;
      int to = b * 256;
      float d = halfAt(in, at);
      float dmin = halfAt(in, at + 2);
      for (int group = 0; group < 8; group++) {
        float scale = d * scale6(in, at + 4, group);
        float minimum = dmin * minimum6(in, at + 4, group);
        int shift = group % 2 * 4;
        int bit = group;
        int q = at + 48 + group / 2 * 32;
        for (int i = 0; i < 32; i++) {
          int five = in[q + i] >> shift & 15 | (in[at + 16 + i] >> bit & 1) << 4;
          out[to + 32 * group + i] = scale * five - minimum;
        }
      }
    }
  }

  /// 128 bytes of low nibbles, 64 bytes of upper 2 bits, 16 signed scales, d; q − 32. In each half
  /// of 128 elements, 64 bytes of nibbles serve four runs of 32.
  private static void q6K(byte[] in, int blocks, float[] out) {
    for (int b = 0; b < blocks; b++) {
      int at = b * 210;
      int to = b * 256;
      float d = halfAt(in, at + 208);
      for (int group = 0; group < 16; group++) {
        float scale = d * in[at + 192 + group];
        int run = group / 2;
        int low = at + run / 4 * 64 + run % 2 * 32 + group % 2 * 16;
        int lowShift = run % 4 / 2 * 4;
        int high = at + 128 + run / 4 * 32 + group % 2 * 16;
        int highShift = run % 4 * 2;
        for (int i = 0; i < 16; i++) {
          int q = in[low + i] >> lowShift & 15 | (in[high + i] >> highShift & 3) << 4;
          out[to + 16 * group + i] = scale * (q - 32);
        }
      }
    }
  }

  /// d, then nibbles as in Q4_0, looked up.
  private static void iq4Nl(byte[] in, int blocks, float[] out) {
    for (int b = 0; b < blocks; b++) {
      int at = b * 18;
      int to = b * 32;
      float d = halfAt(in, at);
      for (int i = 0; i < 16; i++) {
        int q = in[at + 2 + i];
        out[to + i] = d * STEPS[q & 15];
        out[to + 16 + i] = d * STEPS[q >> 4 & 15];
      }
    }
  }

  /// d, 2 bytes of upper and 4 bytes of lower scale bits (6 bits for each group of 32, − 32),
  /// nibbles.
  private static void iq4Xs(byte[] in, int blocks, float[] out) {
    for (int b = 0; b < blocks; b++) {
      int at = b * 136;
      float d = halfAt(in, at);
      int highScales = shortAt(in, at + 2);
      for (int group = 0; group < 8; group++) {
        int low = in[at + 4 + group / 2] >> (group % 2 * 4) & 15;
        int high = highScales >> (2 * group) & 3;
        float scale = d * ((low | high << 4) - 32);
        int q = at + 8 + 16 * group;
        int to = b * 256 + 32 * group;
        for (int i = 0; i < 16; i++) {
          out[to + i] = scale * STEPS[in[q + i] & 15];
          out[to + 16 + i] = scale * STEPS[in[q + i] >> 4 & 15];
        }
      }
    }
  }

  private static float halfAt(byte[] in, int at) {
    return Float.float16ToFloat(shortAt(in, at));
  }

  private static short shortAt(byte[] in, int at) {
    return (short) (in[at] & 0xFF | in[at + 1] << 8);
  }

  private static int intAt(byte[] in, int at) {
    return shortAt(in, at) & 0xFFFF | shortAt(in, at + 2) << 16;
  }

  private static long longAt(byte[] in, int at) {
    return intAt(in, at) & 0xFFFF_FFFFL | (long) intAt(in, at + 4) << 32;
  }
}
