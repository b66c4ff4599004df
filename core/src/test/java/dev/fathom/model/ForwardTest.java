package dev.fathom.model;

import static dev.fathom.model.Sites.assertClose;
import static dev.fathom.model.Sites.largestGap;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Offset.offset;

import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What every forward pass promises, whatever the model's shape.
class ForwardTest {
  static Stream<Variant> some() {
    return Stream.of(DType.F64, DType.F32).flatMap(d -> TinyModels.some(d).stream());
  }

  static Stream<Variant> every() {
    return TinyModels.every(DType.F64).stream();
  }

  static Stream<Variant> exact() {
    return TinyModels.some(DType.F64).stream();
  }

  /// Every other one, for what runs once a site.
  static Stream<Variant> few() {
    List<Variant> some = TinyModels.some(DType.F64);
    return IntStream.range(0, some.size()).filter(i -> i % 2 == 0).mapToObj(some::get);
  }

  private static Tensor forward(Transformer model, int[] ids, Tap tap) {
    return model.forward(
        Tensor.of(ids, ids.length), Pass.over(Layout.single(ids.length)).with(tap));
  }

  @ParameterizedTest
  @MethodSource("every")
  void aRowInABatchIsTheRowAlone(Variant variant) {
    var random = new Random(variant.seed());
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      for (int trial = 0; trial < 2; trial++) {
        int[] lengths = random.ints(1 + random.nextInt(5), 1, 9).toArray();
        String what = variant + " trial " + trial + " lengths " + Arrays.toString(lengths);
        List<int[]> rows =
            Arrays.stream(lengths).mapToObj(n -> random.ints(n, 0, 50).toArray()).toList();
        int[] packed = rows.stream().flatMapToInt(Arrays::stream).toArray();
        Tensor batch =
            tiny.model().forward(Tensor.of(packed, packed.length), Pass.over(Layout.rows(lengths)));
        int at = 0;
        for (int[] row : rows) {
          Tensor alone = forward(tiny.model(), row, Tap.NONE);
          assertClose(what, batch.narrow(0, at, row.length), alone);
          at += row.length;
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("exact")
  void theStreamAfterSomeBlocksIsWhatTheNextReads(Variant variant) {
    int[] ids = TinyModel.idArray(5, 3);
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      var seen = new ArrayList<Tensor>();
      Tensor read = Tensor.of(ids, ids.length);
      Pass whole = Pass.over(Layout.single(ids.length));
      Tensor _ = model.stream(read, whole, (_, x) -> seen.add(scope.keep(x.copy())));
      for (int first = 0; first <= model.layers(); first++) {
        Pass pass = Pass.over(Layout.single(ids.length));
        Tensor after = model.streamAfter(first, read, pass);
        assertThat(after.toDoubles()).isEqualTo(seen.get(first).toDoubles());
      }
      Pass pass = Pass.over(Layout.single(ids.length));
      assertThatThrownBy(() -> model.streamAfter(model.layers() + 1, read, pass))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("blocks");
    }
  }

  @ParameterizedTest
  @MethodSource("exact")
  void activationsOfABatchAreThoseOfItsRows(Variant variant) {
    int[] lengths = {5, 2, 7, 5, 1, 2};
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Site[] sites = Sites.of(tiny.model()).toArray(Site[]::new);
      List<int[]> rows =
          IntStream.range(0, lengths.length)
              .mapToObj(r -> TinyModel.idArray(lengths[r], r))
              .toList();
      int[] packed = rows.stream().flatMapToInt(Arrays::stream).toArray();
      var batch = Capture.of(sites);
      tiny.model()
          .forward(Tensor.of(packed, packed.length), Pass.over(Layout.rows(lengths)).with(batch));
      for (int r = 0; r < lengths.length; r++) {
        var alone = Capture.of(sites);
        forward(tiny.model(), rows.get(r), alone);
        for (Site site : sites) {
          assertRowIsAlone(batch.get(site), r, alone.get(site));
        }
      }
    }
  }

  private static void assertRowIsAlone(Captured batch, int row, Captured alone) {
    assertThat(batch.length(row)).isEqualTo(alone.length(0));
    int[] shape = alone.shape();
    int[] index = new int[shape.length];
    float[] expected = alone.values();
    for (int i = 0; i < expected.length; i++) {
      int rest = i;
      for (int axis = shape.length - 1; axis > 0; axis--) {
        index[axis] = rest % shape[axis];
        rest /= shape[axis];
      }
      index[0] = row;
      float found = batch.at(index);
      assertThat(found == expected[i] || Math.abs(found - expected[i]) < 1e-3)
          .as(
              "%s row %d at %s: %s, alone %s",
              batch, row, Arrays.toString(index), found, expected[i])
          .isTrue();
    }
  }

  @ParameterizedTest
  @MethodSource("some")
  void onlyTheLastQueriesAreTheLastRowsOfAll(Variant variant) {
    int[] lengths = {4, 6, 1, 4};
    int[] packed = TinyModel.idArray(15, 3);
    Layout layout = Layout.rows(lengths);
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Tensor ids = Tensor.of(packed, packed.length);
      Tensor all = tiny.model().forward(ids, Pass.over(layout));
      Tensor last = tiny.model().forward(ids, Pass.over(layout).with(Wanted.LAST));
      assertClose(variant.toString(), last, all.indexSelect(0, layout.lastTokens()));
      long[] columns = {7, 0, 49, 7};
      Tensor some = tiny.model().forward(ids, Pass.over(layout).with(Wanted.LAST.columns(columns)));
      assertClose(variant.toString(), some, last.indexSelect(1, columns));
      Tensor allRows = tiny.model().forward(ids, Pass.over(layout).with(Wanted.ALL.columns(3)));
      assertClose(variant.toString(), allRows, all.indexSelect(1, 3));
    }
  }

  @ParameterizedTest
  @MethodSource("some")
  void everySiteFiresInAPassOverTheLastQueries(Variant variant) {
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      int[] ids = TinyModel.idArray(9, 5);
      Layout layout = Layout.rows(4, 5);
      Site[] sites = Sites.of(tiny.model()).toArray(Site[]::new);
      var all = Capture.of(sites);
      var last =
          Capture.of(
              Arrays.stream(sites)
                  .map(s -> Slice.of(s).at(PositionSpan.LAST))
                  .toArray(Slice[]::new));
      Tensor full = tiny.model().forward(Tensor.of(ids, 9), Pass.over(layout).with(all));
      Tensor ends =
          tiny.model().forward(Tensor.of(ids, 9), Pass.over(layout).with(Wanted.LAST).with(last));
      assertClose(variant.toString(), ends, full.indexSelect(0, layout.lastTokens()));
      for (Site site : sites) {
        if (!site.kind().pairwise()) {
          Captured whole = all.get(site);
          for (int row = 0; row < 2; row++) {
            float[] expected = whole.vector(row, whole.length(row) - 1);
            float[] found = last.get(site).vector(row, 0);
            assertClose(site + " " + variant, widened(found), widened(expected), 1e-4);
          }
        }
      }
    }
  }

  private static double[] widened(float[] values) {
    return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
  }

  @ParameterizedTest
  @MethodSource("some")
  void watchingEverySiteChangesNothing(Variant variant) {
    int[] ids = TinyModel.idArray(6, 2);
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      var capture = Capture.of(Sites.of(tiny.model()).toArray(Site[]::new));
      assertClose(
          variant.toString(),
          forward(tiny.model(), ids, capture),
          forward(tiny.model(), ids, Tap.NONE));
    }
  }

  @ParameterizedTest
  @MethodSource("some")
  void watchingASiteOfTheStreamChangesNoBit(Variant variant) {
    int[] ids = TinyModel.idArray(6, 2);
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Tensor plain = forward(tiny.model(), ids, Tap.NONE);
      for (Kind kind :
          List.of(Kind.RESID_PRE, Kind.ATTN_OUT, Kind.Z, Kind.MLP_ACT, Kind.RESID_POST)) {
        Tensor watched = forward(tiny.model(), ids, Capture.of(Site.of(kind, 1)));
        assertThat(watched.sameAs(plain)).as("%s of %s", kind, variant).isTrue();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("few")
  void rewritingASiteWithItsOwnValueChangesNothingAndWithAnotherTheLogits(Variant variant) {
    int[] ids = TinyModel.idArray(6, 2);
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Tensor plain = forward(tiny.model(), ids, Tap.NONE);
      for (Site site : Sites.of(tiny.model())) {
        try (var _ = Scope.open()) {
          String what = site + " of " + variant;
          Tensor same = forward(tiny.model(), ids, Taps.change(Slice.of(site), Tensor::copy));
          assertClose(what, same, plain);
          Tensor other = forward(tiny.model(), ids, Taps.change(Slice.of(site), Sites::disturbed));
          assertThat(largestGap(other, plain)).as(what).isGreaterThan(1e-5);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("few")
  void everySiteIsDifferentiable(Variant variant) {
    int[] ids = TinyModel.idArray(4, 2);
    var random = new Random(variant.seed());
    try (var _ = Scope.withGradients();
        var tiny = TinyModels.of(variant)) {
      double[] weights = random.doubles(4L * 50, -1, 1).toArray();
      for (Site site : Sites.of(tiny.model())) {
        try (var inner = Scope.open()) {
          Tensor reading = Tensor.of(weights, 4, 50);
          var seen = new ArrayList<Tensor>();
          Tap leaf =
              Taps.change(
                  Slice.of(site),
                  value -> {
                    Tensor put = inner.keep(value.detach().copy().requireGradient());
                    seen.add(put);
                    return put;
                  });
          forward(tiny.model(), ids, leaf).mul(reading).sum().backward();
          Tensor gradient =
              Objects.requireNonNull(
                  seen.getFirst().gradient(),
                  () -> "no gradient at %s of %s".formatted(site, variant));
          Tensor direction = direction(seen.getFirst(), random);
          double slope = Objects.requireNonNull(gradient).mul(direction).sum().item();
          double step = 1e-5;
          double up = score(tiny.model(), ids, site, direction.mul(step), reading);
          double down = score(tiny.model(), ids, site, direction.mul(-step), reading);
          double expected = (up - down) / (2 * step);
          assertThat(slope)
              .as("slope at %s of %s", site, variant)
              .isNotZero()
              .isCloseTo(expected, offset(1e-5 * Math.max(1, Math.abs(slope))));
        }
      }
    }
  }

  private static double score(
      Transformer model, int[] ids, Site site, Tensor shift, Tensor reading) {
    return forward(model, ids, Taps.change(Slice.of(site), x -> x.add(shift)))
        .mul(reading)
        .sum()
        .item();
  }

  /// Random where the value is finite, zero elsewhere (masked scores).
  private static Tensor direction(Tensor value, Random random) {
    double[] values = value.toDoubles();
    for (int i = 0; i < values.length; i++) {
      values[i] = Double.isInfinite(values[i]) ? 0 : random.nextGaussian();
    }
    return Tensor.of(values, value.shape());
  }

  @ParameterizedTest
  @MethodSource("every")
  void patternsSumToOneAndSeeNeitherAheadNorBeyondTheWindow(Variant variant) {
    int n = 6;
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      var capture =
          Capture.of(Site.of(Kind.PATTERN, 0), Site.of(Kind.PATTERN, 1), Site.of(Kind.SCORES, 1));
      forward(tiny.model(), TinyModel.idArray(n, 8), capture);
      for (int layer = 0; layer < 2; layer++) {
        Captured pattern = capture.get(Site.of(Kind.PATTERN, layer));
        assertThat(pattern.shape()).containsExactly(1, 4, n, n);
        int window = layer == 1 && variant.has(TinyModels.Extra.WINDOW) ? TinyModels.WINDOW : n;
        for (int head = 0; head < 4; head++) {
          for (int q = 0; q < n; q++) {
            double sum = 0;
            for (int k = 0; k < n; k++) {
              float p = pattern.at(0, head, q, k);
              sum += p;
              boolean hidden = (variant.causal() && k > q) || q - k >= window;
              assertThat(p == 0).as("%s query %d key %d", variant, q, k).isEqualTo(hidden);
              if (layer == 1) {
                float score = capture.get(Site.of(Kind.SCORES, 1)).at(0, head, q, k);
                assertThat(score == Float.NEGATIVE_INFINITY).isEqualTo(hidden);
              }
            }
            assertThat(sum).isCloseTo(1, offset(1e-5));
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("some")
  void attentionInTheOpenIsTheFusedKernel(Variant variant) {
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      for (int n : new int[] {1, 2, 7}) {
        int[] ids = TinyModel.idArray(n, 4);
        var patterns =
            Capture.of(
                Site.of(Kind.PATTERN, 0), Site.of(Kind.PATTERN, 1), Site.of(Kind.PATTERN, 2));
        assertClose(
            variant.toString(),
            forward(tiny.model(), ids, patterns),
            forward(tiny.model(), ids, Tap.NONE));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("some")
  void theNormThroughItsScaleIsTheNorm(Variant variant) {
    int[] ids = TinyModel.idArray(5, 4);
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      var scales =
          Sites.of(tiny.model()).stream()
              .filter(s -> s.kind().text().startsWith("norm_scale"))
              .toArray(Site[]::new);
      assertClose(
          variant.toString(),
          forward(tiny.model(), ids, Capture.of(scales)),
          forward(tiny.model(), ids, Tap.NONE));
    }
  }

  @ParameterizedTest
  @MethodSource("few")
  void aTapSeesTheSameValueWhicheverOtherSitesAreWatched(Variant variant) {
    int[] ids = TinyModel.idArray(5, 4);
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      List<Site> sites = Sites.of(tiny.model());
      var together = Capture.of(sites.toArray(Site[]::new));
      forward(tiny.model(), ids, together);
      for (Site site : sites) {
        var alone = Capture.of(site);
        forward(tiny.model(), ids, alone);
        assertThat(alone.get(site).shape())
            .as(site.toString())
            .isEqualTo(together.get(site).shape());
        assertClose(
            site + " of " + variant,
            widened(together.get(site).values()),
            widened(alone.get(site).values()),
            1e-4);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("some")
  void refusedSitesGiveTheirReason(Variant variant) {
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      for (Kind kind : Kind.values()) {
        Site site = Site.of(kind, 0);
        var reason = tiny.model().refusal(site);
        if (reason.isPresent()) {
          assertThatThrownBy(() -> forward(tiny.model(), TinyModel.idArray(3, 1), Capture.of(site)))
              .isInstanceOf(IllegalArgumentException.class)
              .hasMessageContaining(site.toString())
              .hasMessageContaining(reason.get());
        }
      }
      assertThatThrownBy(
              () -> forward(tiny.model(), TinyModel.idArray(3, 1), Capture.of(Site.of(Kind.Z, 3))))
          .hasMessageContaining("it has layers 0 to 2");
    }
  }

  @Test
  void aTapThatNeverFiresIsAnError() {
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.llama(DType.F64)) {
      var asked = new AtomicBoolean();
      Tap late =
          new Tap() {
            @Override
            public Set<Site> sites() { // names a missing site only to the pass
              return asked.getAndSet(true) ? new TreeSet<>() : Set.of(Site.of(Kind.Z, 9));
            }

            @Override
            public Tensor at(Site site, Tensor value, Layout rows) {
              return value;
            }
          };
      assertThatThrownBy(() -> forward(tiny.model(), TinyModel.idArray(3, 1), late))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("never fired")
          .hasMessageContaining("z.9");
    }
  }

  @Test
  void aTapThatReturnsAnotherShapeOrTypeIsRefused() {
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.llama(DType.F64)) {
      Site site = Site.of(Kind.RESID_POST, 1);
      assertThatThrownBy(() ->
              forward(
                  tiny.model(), TinyModel.idArray(3, 1), returning(site, x -> x.narrow(0, 0, 2))))
          .hasMessageContaining("resid_post.1")
          .hasMessageContaining("[3, 16]");
      assertThatThrownBy(() ->
              forward(tiny.model(), TinyModel.idArray(3, 1), returning(site, x -> x.to(DType.F32))))
          .hasMessageContaining("resid_post.1")
          .hasMessageContaining("F64");
    }
  }

  @ParameterizedTest
  @MethodSource("few")
  void aTapMayReturnATensorOfItsOwnWhichOutlivesThePass(Variant variant) {
    int[] ids = TinyModel.idArray(3, 1);
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      for (Site site : Sites.of(tiny.model())) {
        var capture = Capture.of(site);
        forward(tiny.model(), ids, capture);
        Captured own = capture.get(site);
        Tensor mine =
            Tensor.of(own.values(), Arrays.stream(own.shape()).asLongStream().toArray())
                .to(variant.dtype());
        Tensor value = site.kind().pairwise() ? mine : mine.squeeze(0);
        Tensor first = forward(tiny.model(), ids, returning(site, _ -> value));
        Tensor second = forward(tiny.model(), ids, returning(site, _ -> value));
        assertThat(second.sameAs(first)).as("%s of %s", site, variant).isTrue();
        assertThat(value.toFloats()).as("%s of %s", site, variant).isEqualTo(own.values());
      }
    }
  }

  private static Tap returning(Site where, UnaryOperator<Tensor> change) {
    return new Tap() {
      @Override
      public Set<Site> sites() {
        return Set.of(where);
      }

      @Override
      public Tensor at(Site site, Tensor value, Layout rows) {
        return change.apply(value);
      }
    };
  }

  @ParameterizedTest
  @MethodSource("exact")
  void theStepsAloneAreTheForward(Variant variant) {
    int[] ids = TinyModel.idArray(5, 1);
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.of(variant)) {
      Transformer model = tiny.model();
      Pass pass = Pass.over(Layout.single(5));
      Tensor x = model.embed(Tensor.of(ids, 5), pass);
      for (int layer = 0; layer < model.layers(); layer++) {
        x = model.block(layer, x, pass);
      }
      assertThat(model.unembed(x, pass).sameAs(forward(model, ids, Tap.NONE))).isTrue();
    }
  }

  @Test
  void idsAndLengthsThatTheModelCannotReadAreRefused() {
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.llama(DType.F32)) {
      Transformer model = tiny.model();
      assertThatThrownBy(() -> forward(model, new int[] {1, 50}, Tap.NONE))
          .hasMessageContaining("token id 50 is not in this model's vocabulary of 50");
      assertThatThrownBy(() -> forward(model, new int[65], Tap.NONE))
          .hasMessageContaining("65 tokens")
          .hasMessageContaining("at most 64");
      assertThatThrownBy(() -> model.forward(Tensor.of(new int[3], 3), Pass.over(Layout.single(2))))
          .hasMessageContaining("3 ids for a layout of 2 tokens");
    }
  }

  @Test
  void aRowThatStartsLateNeedsTheKeysBeforeIt() {
    try (var _ = Scope.withoutGradients();
        var tiny = TinyModels.llama(DType.F32)) {
      Pass pass = Pass.over(new Layout(List.of(new Segment(0, 3, 4))));
      assertThatThrownBy(() -> tiny.model().forward(tiny.ids(4), pass))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("row 0 starts at position 3, but this pass has no keys before it");
    }
  }
}
