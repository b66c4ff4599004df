package dev.fathom.model;

import static dev.fathom.model.Sites.assertClose;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Offset.offset;

import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class TapsTest {
  private static final Layout LAYOUT = Layout.rows(4, 2, 4);
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

  private static Tensor forward(Tap tap) {
    return forward(Pass.over(LAYOUT).with(tap));
  }

  private static Tensor forward(Pass pass) {
    return llama.model().forward(llama.ids(10), pass);
  }

  /// The site as a tap leaves it.
  private static Captured after(Tap tap, Site site) {
    var capture = Capture.of(site);
    forward(tap.then(capture));
    return capture.get(site);
  }

  @Test
  void aChangeReachesItsPositionsHeadsAndRowsAndNothingElse() {
    Site z = Site.of(Kind.Z, 1);
    Captured clean = after(Tap.NONE, z);
    Slice slice = Slice.of(z).heads(1, 3).at(new PositionSpan(1, -1)).onRows(0, 1);
    Captured zeroed = after(Taps.zero(slice), z);
    Captured doubled = after(Taps.scale(slice, 2), z);
    for (int row = 0; row < 3; row++) {
      for (int pos = 0; pos < clean.length(row); pos++) {
        for (int head = 0; head < 4; head++) {
          boolean inside = row < 2 && pos >= 1 && head % 2 == 1;
          for (int i = 0; i < 4; i++) {
            float was = clean.at(row, pos, head, i);
            assertThat(zeroed.at(row, pos, head, i)).isEqualTo(inside ? 0 : was);
            assertThat(doubled.at(row, pos, head, i)).isEqualTo(inside ? 2 * was : was);
          }
        }
      }
    }
  }

  @Test
  void aChangeOfPatternsReachesItsHeadsAndQueries() {
    Site pattern = Site.of(Kind.PATTERN, 0);
    Captured clean = after(Tap.NONE, pattern);
    Slice slice = Slice.of(pattern).heads(2).at(-1).onRows(0, 1);
    Captured zeroed = after(Taps.zero(slice), pattern);
    for (int row = 0; row < 3; row++) {
      for (int head = 0; head < 4; head++) {
        for (int q = 0; q < clean.length(row); q++) {
          boolean inside = row < 2 && head == 2 && q == clean.length(row) - 1;
          for (int k = 0; k < clean.length(row); k++) {
            assertThat(zeroed.at(row, head, q, k))
                .isEqualTo(inside ? 0 : clean.at(row, head, q, k));
          }
        }
      }
    }
  }

  @Test
  void neuronsAreChosenByTheirNumber() {
    Site act = Site.of(Kind.MLP_ACT, 2);
    Captured clean = after(Tap.NONE, act);
    Captured set = after(Taps.set(Slice.of(act).neurons(31, 7), Tensor.full(5, DType.F64, 1)), act);
    for (int neuron = 0; neuron < 32; neuron++) {
      assertThat(set.at(1, 1, neuron))
          .isEqualTo(neuron == 7 || neuron == 31 ? 5 : clean.at(1, 1, neuron));
    }
  }

  @Test
  void steeringAddsAVectorAtEveryChosenPosition() {
    Site resid = Site.of(Kind.RESID_POST, 0);
    double[] direction = new Random(3).doubles(16, -1, 1).toArray();
    Captured clean = after(Tap.NONE, resid);
    Captured steered =
        after(Taps.add(Slice.of(resid).at(PositionSpan.LAST), Tensor.of(direction, 16), -3), resid);
    for (int row = 0; row < 3; row++) {
      for (int pos = 0; pos < clean.length(row); pos++) {
        double by = pos == clean.length(row) - 1 ? -3 : 0;
        for (int i = 0; i < 16; i++) {
          assertThat((double) steered.at(row, pos, i))
              .isCloseTo(clean.at(row, pos, i) + by * direction[i], offset(1e-5));
        }
      }
    }
  }

  @Test
  void patchingInTheWholeStreamOfAnotherRunGivesItsLogits() {
    Tensor otherIds = Tensor.of(TinyModel.idArray(10, 77), 10);
    for (Kind kind : List.of(Kind.RESID_PRE, Kind.RESID_MID, Kind.RESID_POST)) {
      var values = new ArrayList<Tensor>();
      Tap watch =
          Taps.capture(Set.of(Site.of(kind, 1)), (_, value, _) -> values.add(scope.keep(value)));
      Tensor other = llama.model().forward(otherIds, Pass.over(LAYOUT).with(watch));
      Tensor patched = forward(Taps.set(Slice.of(kind, 1), values.getFirst()));
      assertClose("patched at " + kind, patched, other);
    }
  }

  @Test
  void zeroingAHeadIsLeavingItOutOfTheSum() {
    Slice head = Slice.of(Kind.HEAD_OUT, 1).heads(2);
    Slice mixed = Slice.of(Kind.Z, 1).heads(2);
    assertClose("zeroed head", forward(Taps.zero(head)), forward(Taps.zero(mixed)));
  }

  @Test
  void severalChangesAreTheSameInAnyOrder() {
    var changes = new ArrayList<Intervention>();
    changes.add(new Intervention.Zero(Slice.of(Kind.Z, 1).heads(0)));
    changes.add(new Intervention.Scale(Slice.of(Kind.Z, 1).heads(1).at(0), 3));
    changes.add(new Intervention.Scale(Slice.of(Kind.Z, 1).heads(1).at(1), 0.25));
    changes.add(
        new Intervention.Add(
            Slice.of(Kind.RESID_POST, 1).onRows(1), Tensor.full(0.5, DType.F64, 16), 2));
    changes.add(new Intervention.Change(Slice.of(Kind.RESID_POST, 1).onRows(2), Tensor::tanh));
    changes.add(
        new Intervention.Replace(
            Slice.of(Kind.PATTERN, 2).heads(3).at(0), Tensor.full(0.5, DType.F32, 1)));
    Tensor first = forward(Taps.of(changes));
    var random = new Random(1);
    for (int trial = 0; trial < 5; trial++) {
      Collections.shuffle(changes, random);
      assertThat(forward(Taps.of(changes)).sameAs(first)).isTrue();
      Tap chained = Tap.NONE;
      for (Intervention change : changes) {
        chained = chained.then(Taps.of(List.of(change)));
      }
      assertThat(forward(chained).sameAs(first)).isTrue();
    }
  }

  @Test
  void twoChangesOfTheSameNumbersAreRefused() {
    Slice all = Slice.of(Kind.Z, 1);
    Slice some = all.heads(1, 2).at(0);
    assertThatThrownBy(() -> Taps.zero(all).then(Taps.scale(some, 2)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("z.1 and z.1.h1+h2@0 would both be changed")
        .hasMessageContaining("depend on the order");
    assertThatThrownBy(() ->
            Taps.of(List.of(new Intervention.Zero(some), new Intervention.Zero(all.heads(2)))))
        .hasMessageContaining("would both be changed");
    assertThatThrownBy(
            () -> Taps.zero(all.at(PositionSpan.LAST)).then(Tap.NONE).then(Taps.zero(all.at(-1))))
        .hasMessageContaining("would both be changed");
    assertThatThrownBy(() ->
            Taps.zero(all.at(new PositionSpan(0, 3)))
                .then(Capture.of(all))
                .then(Taps.zero(all.at(2))))
        .hasMessageContaining("would both be changed");
  }

  /// Against comparing each slice with every other.
  @Test
  void slicesAreRefusedExactlyWhereTwoOverlap() {
    var random = new Random(3);
    int refused = 0;
    for (int turn = 0; turn < 400; turn++) {
      var slices = new ArrayList<Slice>();
      boolean expected = false;
      for (int i = 0; i < 4; i++) {
        Slice slice = Slice.of(random.nextInt(8) == 0 ? Kind.V : Kind.Z, random.nextInt(2));
        slice = random.nextInt(6) == 0 ? slice : slice.onRows(random.nextInt(3));
        slice = random.nextInt(6) == 0 ? slice.onRows(0, 1 + random.nextInt(2)) : slice;
        slice = random.nextBoolean() ? slice : slice.heads(random.nextInt(2));
        slice = random.nextInt(4) == 0 ? slice : slice.at(random.nextInt(2));
        expected |= slices.stream().anyMatch(slice::overlaps);
        slices.add(slice);
      }
      refused += expected ? 1 : 0;
      assertThat(refuses(slices)).as(slices.toString()).isEqualTo(expected);
    }
    assertThat(refused).isBetween(100, 300);
  }

  private static boolean refuses(List<Slice> slices) {
    try {
      Slice.requireDisjoint(slices);
      return false;
    } catch (IllegalArgumentException expected) {
      return true;
    }
  }

  @Test
  void patternsOfManyRowsAreEachChangedByTheirOwn() {
    var own = new ArrayList<Intervention>();
    for (int row : new int[] {2, 0}) {
      own.add(new Intervention.Scale(Slice.of(Kind.PATTERN, 1).onRows(row).at(-1), 2 + row));
    }
    Tensor together = forward(Taps.of(own));
    Tensor oneByOne = forward(Taps.of(own.subList(0, 1)).then(Taps.of(own.subList(1, 2))));
    assertClose("each row by its own", together, oneByOne);
    assertThat(Sites.largestGap(together, forward(Tap.NONE))).isGreaterThan(1e-3);
  }

  @Test
  void changesThatMeetOnlyInAShortRowAreRefusedThere() {
    Slice second = Slice.of(Kind.RESID_PRE, 1).at(1);
    Slice last = Slice.of(Kind.RESID_PRE, 1).at(PositionSpan.LAST);
    Tap both = Taps.zero(second).then(Taps.scale(last, 2));
    llama.model().forward(llama.ids(3), Pass.over(Layout.single(3)).with(both));
    assertThatThrownBy(
            () -> llama.model().forward(llama.ids(2), Pass.over(Layout.single(2)).with(both)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("resid_pre.1@1 and resid_pre.1@last would both be changed");
    Tap one = Taps.of(List.of(new Intervention.Zero(second), new Intervention.Scale(last, 2)));
    assertThatThrownBy(
            () -> llama.model().forward(llama.ids(2), Pass.over(Layout.single(2)).with(one)))
        .hasMessageContaining("would both be changed");
  }

  @Test
  void positionsThatARowLacksOrAPassDoesNotComputeAreRefused() {
    assertThatThrownBy(() -> forward(Taps.zero(Slice.of(Kind.RESID_PRE, 0).at(3))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("resid_pre.0@3: row 1 has 2 positions");
    assertThatThrownBy(() -> forward(Taps.zero(Slice.of(Kind.RESID_PRE, 0).at(-3))))
        .hasMessageContaining("row 1 has 2 positions");
    Tap early = Taps.zero(Slice.of(Kind.MLP_OUT, 2).at(0));
    forward(early);
    assertThatThrownBy(() -> forward(Pass.over(LAYOUT).with(Wanted.LAST).with(early)))
        .hasMessageContaining("mlp_out.2@0: this pass computes only positions 3 to 3 of row 0")
        .hasMessageContaining("Wanted.ALL");
    assertThatThrownBy(() ->
            forward(
                Pass.over(LAYOUT)
                    .with(Wanted.LAST)
                    .with(Capture.of(Slice.of(Kind.RESID_POST, 2).at(0)))))
        .hasMessageContaining("resid_post.2@0: this pass computes only");
    assertThatThrownBy(() -> forward(Taps.zero(Slice.of(Kind.Z, 0).onRows(3))))
        .hasMessageContaining("none of the rows [3]");
  }

  @Test
  void headsThatAreNotThereAreRefused() {
    assertThatThrownBy(() -> forward(Taps.zero(Slice.of(Kind.K, 0).heads(2))))
        .hasMessageContaining("k.0.h2: it has heads 0 to 1");
    assertThatThrownBy(() -> forward(Capture.of(Slice.of(Kind.MLP_ACT, 0).neurons(32))))
        .hasMessageContaining("neurons 0 to 31");
    assertThatThrownBy(() -> Slice.of(Kind.RESID_PRE, 0).heads(1))
        .hasMessageContaining("resid_pre.0 has no heads");
    assertThatThrownBy(() -> Slice.of(Kind.Z, 0).heads(1, 1)).hasMessageContaining("named twice");
    assertThatThrownBy(() -> Slice.of(Kind.Z, 0).heads(-1)).hasMessageContaining("from 0");
  }

  @Test
  void valuesOfAnotherShapeAreRefused() {
    Slice slice = Slice.of(Kind.RESID_PRE, 1).at(0);
    assertThatThrownBy(() -> forward(Taps.set(slice, Tensor.zeros(DType.F64, 15))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("resid_pre.1@0 has shape [3, 16] there")
        .hasMessageContaining("[15]");
    assertThatThrownBy(() -> forward(Taps.change(slice, x -> x.narrow(1, 0, 2))))
        .hasMessageContaining("the changed value of resid_pre.1@0");
  }

  @Test
  void aCaptureSeesWhatTheTapsBeforeItMade() {
    Site site = Site.of(Kind.RESID_PRE, 1);
    var before = Capture.of(site);
    var after = Capture.of(site);
    forward(before.then(Taps.zero(Slice.of(site))).then(after));
    assertThat(after.get(site).values()).containsOnly(0);
    assertThat(before.get(site)).isEqualTo(after(Tap.NONE, site));
  }

  @Test
  void aChangeOfOneRowLeavesTheOthersAlone() {
    Tensor clean = forward(Tap.NONE);
    Tensor changed = forward(Taps.zero(Slice.of(Kind.PATTERN, 0).onRows(2)));
    assertClose("other rows", changed.narrow(0, 0, 6), clean.narrow(0, 0, 6));
    assertThat(Sites.largestGap(changed.narrow(0, 6, 4), clean.narrow(0, 6, 4)))
        .isGreaterThan(1e-3);
  }
}
