package dev.fathom.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.checkpoint.Arrangement.Kind;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ArrangementTest {
  @ParameterizedTest
  @EnumSource
  void thereAndBackIsTheSame(Kind kind) {
    var layout = new Arrangement(kind, 6, kind == Kind.QKV_BY_HEAD ? 6 : 2);
    List<Long> shape = List.of(180L, 7L);
    float[] values = new float[180 * 7];
    var random = new Random(1);
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextInt(100);
    }
    assertThat(layout.fits(shape)).isTrue();
    MemorySegment original = segment(values);
    MemorySegment gguf = segment(new float[values.length]);
    MemorySegment back = segment(new float[values.length]);
    layout.toGguf(shape, 4, original, gguf);
    layout.toHuggingFace(layout.shape(shape), 4, gguf, back);
    assertThat(back.mismatch(original)).isEqualTo(-1);
    assertThat(gguf.mismatch(original) == -1).isEqualTo(layout.same(shape));
  }

  @Test
  void groupsOfQueriesComeApartFromTheirKeysAndValues() {
    // Two groups, each of two query heads, a key head and a value head, of width 1.
    var layout = new Arrangement(Kind.QKV_BY_GROUP, 4, 2);
    assertThat(places(layout, 8)).containsExactly(0, 1, 4, 5, 2, 6, 3, 7);
    // With a group for each head it is the layout by head.
    assertThat(places(new Arrangement(Kind.QKV_BY_GROUP, 4, 4), 24))
        .isEqualTo(places(new Arrangement(Kind.QKV_BY_HEAD, 4, 4), 24));
  }

  @Test
  void halvesOfAHeadAreInterleaved() {
    assertThat(places(new Arrangement(Kind.ROTARY_QUERY, 2, 1), 8))
        .containsExactly(0, 2, 1, 3, 4, 6, 5, 7);
    assertThat(places(new Arrangement(Kind.ROTARY_KEY, 2, 1), 8))
        .containsExactly(0, 4, 1, 5, 2, 6, 3, 7);
  }

  @Test
  void vectorsAreNotTransposed() {
    var layout = new Arrangement(Kind.TRANSPOSED, 1, 1);
    assertThat(layout.same(List.of(5L))).isTrue();
    assertThat(layout.shape(List.of(2L, 3L))).containsExactly(3L, 2L);
  }

  @Test
  void shapesThatDoNotDivideDoNotFit() {
    assertThat(new Arrangement(Kind.ROTARY_QUERY, 4, 2).fits(List.of(12L, 8L))).isFalse();
    assertThat(new Arrangement(Kind.QKV_BY_GROUP, 4, 3).fits(List.of(10L, 8L))).isFalse();
    assertThat(new Arrangement(Kind.TRANSPOSED, 1, 1).fits(List.of(0L, 1L << 40))).isFalse();
  }

  private static long[] places(Arrangement layout, int rows) {
    return LongStream.range(0, rows).map(row -> layout.rowInHuggingFace(row, rows)).toArray();
  }

  private static MemorySegment segment(float[] values) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[4 * values.length]);
    MemorySegment.copy(values, 0, bytes, ValueLayout.JAVA_FLOAT_UNALIGNED, 0, values.length);
    return bytes;
  }
}
