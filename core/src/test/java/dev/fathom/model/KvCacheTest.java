package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class KvCacheTest {
  private static final int KV_HEADS = 2;
  private static final int WIDTH = 3;

  static Stream<Variant> decoders() {
    return Stream.of(DType.F64, DType.F32)
        .flatMap(dtype -> TinyModels.every(dtype).stream())
        .filter(Variant::causal);
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void readingInPiecesGivesTheLogitsOfReadingAtOnce(Variant variant) {
    double tolerance = variant.dtype() == DType.F64 ? 1e-10 : 1e-5;
    int[] ids = TinyModel.idArray(12, variant.seed());
    try (var tiny = TinyModels.of(variant);
        var scope = Scope.withoutGradients();
        var session = tiny.model().session(1)) {
      Tensor all = tiny.model().logits(Tensor.of(ids, 12), Layout.single(12), Wanted.ALL);
      int from = 0;
      for (int to : new int[] {5, 6, 7, 10, 11, 12}) {
        Tensor last = session.append(List.of(Arrays.copyOfRange(ids, from, to)));
        assertClose(last, all.narrow(0, to - 1, 1), tolerance);
        from = to;
      }
    }
  }

  static void assertClose(Tensor found, Tensor expected, double tolerance) {
    double largest = Math.max(1, expected.abs().max().item());
    assertThat(found.sub(expected).abs().max().item()).isLessThanOrEqualTo(tolerance * largest);
  }

  @Test
  void rowsOfDifferentLengthsReadOnTogetherAsEachAlone() {
    try (var tiny = TinyModels.gemma(DType.F64);
        var scope = Scope.withoutGradients();
        var together = tiny.model().session(4)) {
      List<int[]> rows = Stream.of(3, 7, 3, 5).map(n -> TinyModel.idArray(n, 10L * n)).toList();
      Tensor first = together.append(rows);
      List<int[]> more = Stream.of(1, 2, 1, 4).map(n -> TinyModel.idArray(n, n)).toList();
      Tensor second = together.append(more);
      for (int row = 0; row < 4; row++) {
        try (var alone = tiny.model().session(1)) {
          assertClose(first.narrow(0, row, 1), alone.append(List.of(rows.get(row))), 1e-10);
          assertClose(second.narrow(0, row, 1), alone.append(List.of(more.get(row))), 1e-10);
        }
      }
    }
  }

  @Test
  void rowsAreForkedReorderedAndDropped() {
    try (var tiny = TinyModels.llama(DType.F64);
        var scope = Scope.withoutGradients();
        var session = tiny.model().session(3);
        var plain = tiny.model().session(3)) {
      var rows = Stream.of(1, 2, 3).map(seed -> TinyModel.idArray(6, seed)).toList();
      session.append(rows);
      session.select(2, 0, 2, 2);
      assertThat(session.rows()).isEqualTo(4);
      assertThat(session.tokens(1)).isEqualTo(rows.getFirst());
      session.select(1, 3, 0);
      plain.append(List.of(rows.get(0), rows.get(2), rows.get(2)));
      var next = List.of(new int[] {5}, new int[] {6}, new int[] {7});
      assertClose(session.append(next), plain.append(next), 1e-10);
    }
  }

  @Test
  void aCutRowReadsOnAsIfTheRestHadNeverBeen() {
    try (var tiny = TinyModels.gpt2(DType.F64);
        var scope = Scope.withoutGradients();
        var session = tiny.model().session(1)) {
      int[] ids = TinyModel.idArray(9, 3);
      Tensor before = session.append(List.of(ids));
      session.append(List.of(new int[] {1, 2, 3}));
      session.truncate(0, 8);
      assertClose(session.append(List.of(new int[] {ids[8]})), before, 1e-10);
      assertThat(session.tokens(0)).isEqualTo(ids);
    }
  }

  @Test
  void aRowThatOutgrowsLongRopesShortContextIsReadAnew() {
    try (var tiny = TinyModels.llama(DType.F64);
        var scope = Scope.withoutGradients()) {
      Transformer model = withLongRope(tiny.model());
      try (var session = model.session(2)) {
        int[] ids = TinyModel.idArray(10, 4);
        session.append(List.of(Arrays.copyOf(ids, 6), Arrays.copyOf(ids, 3)));
        Tensor crossed =
            session.append(List.of(Arrays.copyOfRange(ids, 6, 10), Arrays.copyOfRange(ids, 3, 5)));
        assertClose(crossed.narrow(0, 0, 1), last(model, ids), 1e-10);
        assertClose(crossed.narrow(0, 1, 1), last(model, Arrays.copyOf(ids, 5)), 1e-10);
        session.truncate(0, 5);
        Tensor back = session.append(List.of(new int[] {ids[5]}, new int[] {ids[5]}));
        assertClose(back.narrow(0, 0, 1), last(model, Arrays.copyOf(ids, 6)), 1e-10);
      }
    }
  }

  private static Tensor last(Transformer model, int[] ids) {
    return model.logits(Tensor.of(ids, ids.length), Layout.single(ids.length), Wanted.LAST);
  }

  /// Other frequencies for rows of more than 7 tokens.
  private static Transformer withLongRope(Transformer model) {
    var rotary = Rotary.longRope(new float[] {1, 0.1f}, new float[] {0.5f, 0.03f}, 7, 1.2);
    List<Block> blocks =
        model.blocks().stream()
            .map(block -> (SequentialBlock) block)
            .map(b -> (Block) new SequentialBlock(b.norm1(), with(b, rotary), b.norm2(), b.mlp()))
            .toList();
    return new Transformer(model.card(), model.embedding(), blocks, model.head(), () -> {});
  }

  private static Attention with(SequentialBlock block, Rotary rotary) {
    Attention a = block.attention();
    return new Attention(
        a.heads(),
        a.kvHeads(),
        a.width(),
        a.projections(),
        a.norms(),
        rotary,
        a.alibi(),
        a.window(),
        a.softCap(),
        a.scale(),
        a.causal(),
        a.out());
  }

  @Test
  void whatIsHandedOutIsAViewOfTheBufferAsLongAsRowsAreNeighbours() {
    try (var scope = Scope.withoutGradients();
        var cache = new KvCache(2, 1000)) {
      var first = cache.extend(0, rows(0, 4, 0, 1), ones(2, 4), ones(2, 4));
      var second = cache.extend(0, rows(4, 1, 0, 1), ones(2, 1), ones(2, 1));
      assertThat(second.k().address()).isEqualTo(first.k().address());
      assertThat(second.k().shape()).containsExactly(2, KV_HEADS, 5, WIDTH);
      var alone = cache.extend(0, rows(5, 1, 1), ones(1, 1), ones(1, 1));
      assertThat(alone.k().address()).isGreaterThan(first.k().address());
      assertThat(alone.k().shape()).containsExactly(1, KV_HEADS, 6, WIDTH);
    }
  }

  @Test
  void growingKeepsWhatIsThere() {
    try (var scope = Scope.withoutGradients();
        var cache = new KvCache(1, 1000)) {
      long before = 0;
      for (int at = 0; at < 300; at++) {
        Tensor own = Tensor.full(at + 1, DType.F32, 1, KV_HEADS, 1, WIDTH);
        var seen = cache.extend(0, rows(at, 1, 0), own, own.neg());
        assertThat(seen.k().select(2, at / 2).toFloats()).containsOnly(at / 2 + 1);
        assertThat(seen.v().select(2, at).toFloats()).containsOnly(-at - 1);
        assertThat(cache.bytes()).isGreaterThanOrEqualTo(before);
        before = cache.bytes();
      }
      assertThat(before).isEqualTo(2L * 512 * KV_HEADS * WIDTH * 4);
    }
  }

  @Test
  void aLayerCanBeGivenItsTokensLater() {
    try (var scope = Scope.withoutGradients();
        var cache = new KvCache(1, 100)) {
      cache.extend(0, rows(0, 5, 0), ones(1, 5), ones(1, 5));
      cache.extend(1, rows(0, 3, 0), ones(1, 3), ones(1, 3));
      assertThat(cache.length(0, 0)).isEqualTo(5);
      assertThat(cache.length(1, 0)).isEqualTo(3);
      assertThatThrownBy(() -> cache.extend(1, rows(5, 1, 0), ones(1, 1), ones(1, 1)))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("layer 1 has 3 positions of row 0");
      assertThat(cache.extend(1, rows(3, 3, 0), ones(1, 3), ones(1, 3)).k().size(2)).isEqualTo(6);
    }
  }

  @Test
  void aClosedCacheIsRefused() {
    var cache = new KvCache(1, 10);
    cache.close();
    cache.close();
    assertThatThrownBy(() -> cache.select(0)).isInstanceOf(IllegalStateException.class);
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void nextTokensAtDifferentPositionsAreThoseOfEachRowAlone(Variant variant) {
    double tolerance = variant.dtype() == DType.F64 ? 1e-10 : 1e-5;
    List<int[]> rows = Stream.of(3, 7, 3, 20).map(n -> TinyModel.idArray(n, 10L * n)).toList();
    try (var tiny = TinyModels.of(variant);
        var scope = Scope.withoutGradients();
        var together = tiny.model().session(4)) {
      together.append(rows);
      for (int step = 0; step < 3; step++) {
        int id = step + 1;
        Tensor found = together.append(Stream.of(1, 2, 3, 4).map(r -> new int[] {id + r}).toList());
        for (int row = 0; row < 4; row++) {
          int[] ids = together.tokens(row);
          Tensor alone =
              tiny.model()
                  .logits(Tensor.of(ids, ids.length), Layout.single(ids.length), Wanted.LAST);
          assertClose(found.narrow(0, row, 1), alone, tolerance);
        }
      }
    }
  }

  @Test
  void behindARowsOwnTokensAreNumbersAfterForkingAndGrowing() {
    try (var scope = Scope.withoutGradients();
        var cache = new KvCache(1, 512)) {
      cache.extend(0, rows(0, 5, 0), ones(1, 5), ones(1, 5));
      cache.select(0, 0, 0);
      cache.extend(0, rows(5, 95, 1), ones(1, 95), ones(1, 95)); // grows to 128
      var next = List.of(new Segment(0, 5, 1), new Segment(1, 100, 1), new Segment(2, 5, 1));
      Tensor at = Tensor.of(new int[] {5, 100, 5}, 3, 1, 1, 1);
      var seen = Objects.requireNonNull(cache.extendEach(0, next, ones(3, 1), ones(3, 1), at));
      assertThat(seen.k().shape()).containsExactly(3, KV_HEADS, 101, WIDTH);
      assertThat(seen.k().sum().item()).isEqualTo((6 + 101 + 6) * KV_HEADS * WIDTH);
      assertThat(seen.v().sum().item()).isEqualTo((6 + 101 + 6) * KV_HEADS * WIDTH);
      assertThat(cache.length(0, 2)).isEqualTo(6);
      var apart = List.of(new Segment(0, 6, 1), new Segment(2, 6, 1));
      assertThat(cache.extendEach(0, apart, ones(2, 1), ones(2, 1), at)).isNull();
      assertThat(cache.length(0, 2)).isEqualTo(6);
    }
  }

  @Test
  void aRowLongerThanTheContextIsRefused() {
    try (var tiny = TinyModels.llama(DType.F32);
        var session = tiny.model().session(1)) {
      assertThatThrownBy(() -> session.append(List.of(new int[TinyModels.CONTEXT + 1])))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("64");
    }
  }

  @Test
  void anEncoderIsRefused() {
    try (var tiny = TinyModels.bert(DType.F32)) {
      assertThatThrownBy(() -> tiny.model().session(1))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("an encoder");
    }
  }

  private static List<Segment> rows(int start, int length, int... rows) {
    return Arrays.stream(rows).mapToObj(row -> new Segment(row, start, length)).toList();
  }

  private static Tensor ones(long rows, long length) {
    return Tensor.full(1, DType.F32, rows, KV_HEADS, length, WIDTH);
  }
}
