package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.TinyModels.Order;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class StreamingTest {
  private static final int LENGTH = 14;

  static Stream<Variant> decoders() {
    return TinyModels.some(DType.F64).stream()
        .filter(Variant::causal)
        .filter(StreamingTest::canRoll);
  }

  private static boolean canRoll(Variant v) {
    boolean absolute =
        v.positions() == TinyModels.PositionKind.LEARNED
            || v.positions() == TinyModels.PositionKind.SINUSOIDAL;
    return !absolute || !v.has(TinyModels.Extra.WINDOW);
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void aTextThatFitsIsReadAsByTheModel(Variant variant) {
    try (var tiny = TinyModels.of(variant);
        var scope = Scope.withoutGradients()) {
      int[] ids = TinyModel.idArray(LENGTH, 1);
      Tensor all = tiny.model().logits(Tensor.of(ids, LENGTH), Layout.single(LENGTH), Wanted.ALL);
      Tensor same =
          Streaming.of(tiny.model(), 3, LENGTH - 3)
              .logits(Tensor.of(ids, LENGTH), Layout.single(LENGTH), Wanted.ALL);
      KvCacheTest.assertClose(same, all, 1e-9);
      try (var session = Streaming.of(tiny.model(), 3, LENGTH).session(1)) {
        session.append(List.of(Arrays.copyOf(ids, 5)));
        Tensor last = session.append(List.of(Arrays.copyOfRange(ids, 5, LENGTH)));
        KvCacheTest.assertClose(last, all.narrow(0, LENGTH - 1, 1), 1e-9);
      }
    }
  }

  /// The rotation is relative, as is ALiBi: without sinks, a rolling cache is the model with a
  /// window.
  @ParameterizedTest
  @MethodSource("decoders")
  void withoutSinksItIsTheModelWithAWindow(Variant variant) {
    int recent = 5;
    try (var tiny = TinyModels.of(variant);
        var scope = Scope.withoutGradients()) {
      int[] ids = TinyModel.idArray(LENGTH, 1);
      Tensor expected =
          windowed(tiny.model(), recent)
              .logits(Tensor.of(ids, LENGTH), Layout.single(LENGTH), Wanted.ALL);
      Tensor found =
          Streaming.of(tiny.model(), 0, recent)
              .logits(Tensor.of(ids, LENGTH), Layout.single(LENGTH), Wanted.ALL);
      KvCacheTest.assertClose(found, expected, 1e-9);
    }
  }

  private static Transformer windowed(Transformer model, int window) {
    var blocks = new ArrayList<Block>();
    for (Block block : model.blocks()) {
      Attention a = block.attention();
      var narrow =
          new Attention(
              a.heads(),
              a.kvHeads(),
              a.width(),
              a.projections(),
              a.norms(),
              a.rotary(),
              a.alibi(),
              a.window() == 0 ? window : Math.min(window, a.window()),
              a.softCap(),
              a.scale(),
              a.causal(),
              a.out());
      blocks.add(
          switch (block) {
            case SequentialBlock b ->
                new SequentialBlock(b.norm1(), narrow, b.norm2(), b.mlp(), b.multiplier());
            case ParallelBlock b -> new ParallelBlock(b.norm1(), narrow, b.norm2(), b.mlp());
            case SandwichBlock b ->
                new SandwichBlock(b.norm1(), narrow, b.post1(), b.norm2(), b.mlp(), b.post2());
            case PostNormBlock b -> new PostNormBlock(narrow, b.norm1(), b.mlp(), b.norm2());
          });
    }
    return new Transformer(model.card(), model.embedding(), blocks, model.head(), () -> {});
  }

  /// One pass over the whole text in which every score is what the paper says it should be:
  /// forgotten keys at −∞, sinks as far away as their places in the cache say.
  @Test
  void sinksAreTurnedForTheirPlacesInTheCache() {
    int start = 2;
    int recent = 4;
    int cache = start + recent;
    try (var tiny = TinyModels.llama(DType.F64);
        var scope = Scope.withoutGradients()) {
      Transformer model = tiny.model();
      int[] ids = TinyModel.idArray(LENGTH, 1);
      Map<Site, Tensor> seen = new HashMap<>();
      var sites = new TreeSet<Site>();
      for (int layer = 0; layer < TinyModels.LAYERS; layer++) {
        for (Kind kind : List.of(Kind.Q, Kind.K, Kind.SCORES)) {
          sites.add(Site.of(kind, layer));
        }
      }
      Tap tap =
          new Tap() {
            @Override
            public Set<Site> sites() {
              return sites;
            }

            @Override
            public Tensor at(Site site, Tensor value, Layout rows) {
              if (site.kind() != Kind.SCORES) {
                seen.put(site, scope.keep(value));
                return value;
              }
              Tensor q = Objects.requireNonNull(seen.get(Site.of(Kind.Q, site.layer())));
              Tensor k = Objects.requireNonNull(seen.get(Site.of(Kind.K, site.layer())));
              return rolled(model.blocks().get(site.layer()).attention(), value, q, k);
            }

            private Tensor rolled(Attention attention, Tensor value, Tensor q, Tensor k) {
              double[] scores = value.toDoubles(); // [1, heads, queries, keys]
              for (int t = cache; t < LENGTH; t++) {
                for (int head = 0; head < TinyModels.HEADS; head++) {
                  int at = (head * LENGTH + t) * LENGTH;
                  for (int key = start; key <= t - recent; key++) {
                    scores[at + key] = Double.NEGATIVE_INFINITY;
                  }
                  for (int key = 0; key < start; key++) {
                    Tensor asked = turned(attention, q.narrow(0, t, 1), cache - 1);
                    Tensor sink = turned(attention, k.narrow(0, key, 1), key);
                    scores[at + key] =
                        attention.scale()
                            * asked.select(1, head).mul(sink.select(1, head / 2)).sum().item();
                  }
                }
              }
              return Tensor.of(scores, value.shape());
            }

            private Tensor turned(Attention attention, Tensor x, long position) {
              Rotary rotary = Objects.requireNonNull(attention.rotary());
              return rotary.turn(
                  x,
                  rotary.table(Tensor.of(new long[] {position}, 1), Layout.single(1), DType.F64));
            }
          };
      Tensor expected =
          model.forward(Tensor.of(ids, LENGTH), Pass.over(Layout.single(LENGTH)).with(tap));
      Tensor found =
          Streaming.of(model, start, recent)
              .logits(Tensor.of(ids, LENGTH), Layout.single(LENGTH), Wanted.ALL);
      KvCacheTest.assertClose(found, expected, 1e-9);
    }
  }

  @Test
  void memoryIsConstantHoweverLongTheText() {
    try (var tiny = TinyModels.llama(DType.F32);
        var scope = Scope.withoutGradients();
        var session = Streaming.of(tiny.model(), 2, 6).session(1)) {
      session.append(List.of(TinyModel.idArray(8, 1)));
      long bytes = session.bytes();
      session.append(List.of(TinyModel.idArray(200, 1))); // three times the context
      assertThat(session.bytes()).isEqualTo(bytes);
      assertThat(session.tokens(0)).hasSize(208);
    }
  }

  @Test
  void rowsReadForkAndAreCutAsEachAlone() {
    try (var tiny = TinyModels.llama(DType.F64);
        var scope = Scope.withoutGradients()) {
      var streaming = Streaming.of(tiny.model(), 2, 4);
      List<int[]> rows = List.of(TinyModel.idArray(3, 1), TinyModel.idArray(9, 2));
      try (var session = streaming.session(2)) {
        Tensor first = session.append(rows);
        KvCacheTest.assertClose(first.narrow(0, 0, 1), alone(streaming, rows.get(0)), 1e-10);
        KvCacheTest.assertClose(first.narrow(0, 1, 1), alone(streaming, rows.get(1)), 1e-10);
        session.select(1, 0, 1);
        Tensor second =
            session.append(List.of(new int[] {4, 5}, new int[] {6, 7, 8}, new int[] {9}));
        KvCacheTest.assertClose(
            second.narrow(0, 0, 1), alone(streaming, plus(rows.get(1), 4, 5)), 1e-10);
        KvCacheTest.assertClose(
            second.narrow(0, 1, 1), alone(streaming, plus(rows.get(0), 6, 7, 8)), 1e-10);
        session.truncate(0, 8); // it has forgotten some of these
        session.truncate(1, 4);
        Tensor third = session.append(List.of(new int[] {1}, new int[] {2}, new int[] {3}));
        KvCacheTest.assertClose(
            third.narrow(0, 0, 1), alone(streaming, plus(Arrays.copyOf(rows.get(1), 8), 1)), 1e-10);
        KvCacheTest.assertClose(
            third.narrow(0, 1, 1), alone(streaming, plus(rows.get(0), 6, 2)), 1e-10);
      }
    }
  }

  private static Tensor alone(Streaming streaming, int[] ids) {
    try (var session = streaming.session(1)) {
      return session.append(List.of(ids));
    }
  }

  private static int[] plus(int[] ids, int... more) {
    int[] all = Arrays.copyOf(ids, ids.length + more.length);
    System.arraycopy(more, 0, all, ids.length, more.length);
    return all;
  }

  @Test
  void textsLongerThanTheContextAreGenerated() {
    try (var tiny = TinyModels.llama(DType.F32)) {
      var generator = Generator.of(Streaming.of(tiny.model(), 2, 6));
      Generation text = generator.run(TinyModel.idArray(70, 1), Decoding.greedy(20));
      assertThat(text.tokens()).hasSize(20);
    }
  }

  @Test
  void absolutePositionsEndAtTheContext() {
    try (var tiny = TinyModels.gpt2(DType.F32);
        var scope = Scope.withoutGradients();
        var session = Streaming.of(tiny.model(), 2, 6).session(1)) {
      session.append(List.of(TinyModel.idArray(64, 1)));
      assertThatThrownBy(() -> session.append(List.of(new int[] {1})))
          .hasMessage(
              "the text has 65 tokens, but tiny models have absolute positions, of which this one knows 64: a rolling cache cannot extend them");
    }
  }

  @Test
  void whatCannotRollIsRefused() {
    try (var bert = TinyModels.bert(DType.F32);
        var llama = TinyModels.llama(DType.F32)) {
      assertThat(bert.variant().order()).isEqualTo(Order.POST_NORM);
      assertThatThrownBy(() -> Streaming.of(bert.model(), 4, 8))
          .hasMessageContaining("an encoder: it reads both ways");
      assertThatThrownBy(() -> Streaming.of(llama.model(), 4, 61))
          .hasMessageContaining("larger than the 64 that this model can tell apart");
      assertThatThrownBy(() -> Streaming.of(llama.model(), 4, 0))
          .hasMessageContaining("at least 0 first and 1 recent");
      var watched = Taps.zero(Slice.of(Kind.Z, 1));
      assertThatThrownBy(() -> Streaming.of(llama.model(), 4, 8).session(1, watched))
          .hasMessageContaining("numbers positions anew");
    }
  }
}
