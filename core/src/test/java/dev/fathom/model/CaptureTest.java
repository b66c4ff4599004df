package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CaptureTest {
  private static final Layout LAYOUT = Layout.rows(4, 2, 3);
  private static TinyModel llama;
  private Scope scope;

  @BeforeAll
  static void make() {
    llama = TinyModels.llama(DType.F64);
  }

  @AfterAll
  static void free() {
    llama.close();
  }

  @BeforeEach
  void open() {
    scope = Scope.withoutGradients();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private static Capture run(Slice... slices) {
    var capture = Capture.of(slices);
    llama.model().forward(llama.ids(9), Pass.over(LAYOUT).with(capture));
    return capture;
  }

  @Test
  void shapesAreBatchFirstAndFollowTheSite() {
    Capture capture =
        run(
            Slice.of(Site.of(Kind.EMBED)),
            Slice.of(Kind.K, 0),
            Slice.of(Kind.SCORES, 1),
            Slice.of(Kind.HEAD_OUT, 1),
            Slice.of(Kind.MLP_ACT, 2),
            Slice.of(Kind.NORM_SCALE_ATTN, 2),
            Slice.of(Site.of(Kind.LOGITS)));
    assertThat(capture.get(Site.of(Kind.EMBED)).shape()).containsExactly(3, 4, 16);
    assertThat(capture.get(Site.of(Kind.K, 0)).shape()).containsExactly(3, 4, 2, 4);
    assertThat(capture.get(Site.of(Kind.SCORES, 1)).shape()).containsExactly(3, 4, 4, 4);
    assertThat(capture.get(Site.of(Kind.HEAD_OUT, 1)).shape()).containsExactly(3, 4, 4, 16);
    assertThat(capture.get(Site.of(Kind.MLP_ACT, 2)).shape()).containsExactly(3, 4, 32);
    assertThat(capture.get(Site.of(Kind.NORM_SCALE_ATTN, 2)).shape()).containsExactly(3, 4, 1);
    assertThat(capture.get(Site.of(Kind.LOGITS)).shape()).containsExactly(3, 4, 50);
  }

  @Test
  void shortRowsArePaddedOnTheRightWithZerosAndSayTheirLength() {
    Slice scores = Slice.of(Kind.SCORES, 0);
    Slice resid = Slice.of(Kind.RESID_POST, 0);
    Capture capture = run(scores, resid);
    Captured r = capture.get(resid);
    assertThat(r.length(0)).isEqualTo(4);
    assertThat(r.length(1)).isEqualTo(2);
    assertThat(r.length(2)).isEqualTo(3);
    assertThat(r.vector(1, 2)).containsOnly(0);
    assertThat(r.vector(1, 3)).containsOnly(0);
    assertThat(r.vector(1, 1)).doesNotContain(0);
    Captured s = capture.get(scores);
    assertThat(s.at(1, 0, 0, 1)).isEqualTo(Float.NEGATIVE_INFINITY);
    assertThat(s.at(1, 0, 1, 2)).isZero();
    assertThat(s.at(1, 0, 2, 0)).isZero();
    assertThat(s.values()).doesNotContain(Float.NaN);
  }

  @Test
  void filtersKeepWhatTheyNameAndItsPlace() {
    Slice all = Slice.of(Kind.Z, 1);
    Slice part = all.heads(3, 1).at(PositionSpan.LAST).onRows(2, 0);
    Capture capture = run(all, part);
    Captured whole = capture.get(all);
    Captured kept = capture.get(part);
    assertThat(kept.shape()).containsExactly(2, 1, 2, 4);
    assertThat(kept.rows()).containsExactly(0, 2);
    assertThat(kept.start(0)).isEqualTo(3);
    assertThat(kept.start(1)).isEqualTo(2);
    for (int i = 0; i < 4; i++) {
      assertThat(kept.at(0, 0, 0, i)).isEqualTo(whole.at(0, 3, 1, i));
      assertThat(kept.at(1, 0, 1, i)).isEqualTo(whole.at(2, 2, 3, i));
    }
    assertThat(kept.bytes()).isEqualTo(2 * 2 * 4 * 4);
  }

  @Test
  void patternsAreFilteredByHeadAndQuery() {
    Slice all = Slice.of(Kind.PATTERN, 1);
    Slice part = all.heads(2).at(new PositionSpan(-2, -1));
    Capture capture = run(all, part);
    Captured whole = capture.get(all);
    Captured kept = capture.get(part);
    assertThat(kept.shape()).containsExactly(3, 1, 2, 4);
    for (int k = 0; k < 4; k++) {
      assertThat(kept.at(0, 0, 1, k)).isEqualTo(whole.at(0, 2, 3, k));
      assertThat(kept.at(1, 0, 0, k)).isEqualTo(whole.at(1, 2, 0, k));
    }
  }

  @Test
  void equalRunsGiveEqualCapturesAndArraysAreCopies() {
    Slice slice = Slice.of(Kind.Z, 1);
    Captured first = run(slice).get(slice);
    Captured second = run(slice).get(slice);
    assertThat(first).isEqualTo(second).hasSameHashCodeAs(second);
    first.values()[0] = 1e9f;
    first.shape()[0] = 9;
    assertThat(first).isEqualTo(second);
  }

  @Test
  void oneCaptureHoldsOnePass() {
    Slice slice = Slice.of(Kind.Z, 1);
    var capture = Capture.of(slice);
    assertThatThrownBy(() -> capture.get(slice))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("no pass has run");
    llama.model().forward(llama.ids(9), Pass.over(LAYOUT).with(capture));
    assertThatThrownBy(() -> llama.model().forward(llama.ids(9), Pass.over(LAYOUT).with(capture)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("a Capture holds one pass");
  }

  @Test
  void whatWasNotCapturedIsNamed() {
    Slice slice = Slice.of(Kind.Z, 1);
    Capture capture = run(slice, slice.heads(1));
    assertThatThrownBy(() -> capture.get(Site.of(Kind.Z, 2)))
        .hasMessageContaining("z.2 was not captured, only [z.1]");
    assertThatThrownBy(() -> capture.get(Site.of(Kind.Z, 1)))
        .hasMessageContaining("several parts of z.1");
    assertThatThrownBy(() -> capture.get(slice.heads(2)))
        .hasMessageContaining("z.1.h2 was not captured");
  }
}
