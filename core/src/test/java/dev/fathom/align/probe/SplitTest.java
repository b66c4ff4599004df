package dev.fathom.align.probe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class SplitTest {
  private static boolean[] labels(int n, int every) {
    boolean[] labels = new boolean[n];
    for (int i = 0; i < n; i++) {
      labels[i] = i % every == 0;
    }
    return labels;
  }

  private static double share(boolean[] labels, List<Integer> places) {
    return (double) LogisticFit.count(Split.of(labels, places)) / places.size();
  }

  private static void holdsEachOnce(Split split, int n) {
    assertThat(Stream.concat(split.train().stream(), split.test().stream()).sorted().toList())
        .isEqualTo(IntStream.range(0, n).boxed().toList());
    assertThat(split.train()).isSorted();
    assertThat(split.test()).isSorted();
  }

  @Test
  void aRandomSplitKeepsTheShareOfTheClasses() {
    boolean[] labels = labels(300, 3);
    Split split = Split.random(labels, 0.2, 1);
    holdsEachOnce(split, 300);
    assertThat(split.test()).hasSize(60);
    assertThat(share(labels, split.test())).isEqualTo(1 / 3.0);
    assertThat(Split.random(labels, 0.2, 1)).isEqualTo(split);
    assertThat(Split.random(labels, 0.2, 2)).isNotEqualTo(split);
  }

  @Test
  void noGroupIsOnBothSides() {
    boolean[] labels = labels(400, 4);
    for (int seed = 0; seed < 5; seed++) {
      List<String> groups =
          IntStream.range(0, 400).mapToObj(i -> "g" + (int) Math.sqrt(i * 3 % 400)).toList();
      Split split = Split.byGroup(groups, labels, 0.2, seed);
      holdsEachOnce(split, 400);
      var both = new HashSet<>(split.train().stream().map(groups::get).toList());
      both.retainAll(split.test().stream().map(groups::get).toList());
      assertThat(both).isEmpty();
      assertThat(split.test().size() / 400.0).isCloseTo(0.2, within(0.06));
      assertThat(share(labels, split.test())).isCloseTo(0.25, within(0.08));
      assertThat(Split.byGroup(groups, labels, 0.2, seed)).isEqualTo(split);
    }
  }

  @Test
  void everyGroupIsTestedOnUnderSomeSeed() {
    boolean[] labels = labels(90, 2);
    List<String> groups =
        IntStream.range(0, 90).mapToObj(i -> i < 30 ? "large" : "g" + i / 6).toList();
    var tested = new HashSet<String>();
    for (int seed = 0; seed < 60; seed++) {
      Split.byGroup(groups, labels, 0.3, seed).test().forEach(i -> tested.add(groups.get(i)));
    }
    assertThat(tested).containsAll(groups);
  }

  @Test
  void tooFewExamplesAreRefused() {
    assertThatThrownBy(() -> Split.random(labels(30, 10), 0.2, 1))
        .hasMessageContaining("only 3 of 30 texts are of the positive class")
        .hasMessageContaining("at least 2 of each class");
    var groups = new ArrayList<String>();
    for (int i = 0; i < 30; i++) {
      groups.add(i % 2 == 0 ? "one" : "two");
    }
    boolean[] byGroup = labels(30, 2);
    assertThatThrownBy(() -> Split.byGroup(groups, byGroup, 0.2, 1))
        .hasMessageContaining("the 2 groups of 30 texts cannot be split")
        .hasMessageContaining("--split random");
    assertThatThrownBy(() -> Split.random(byGroup, 1, 1)).hasMessageContaining("between 0 and 1");
  }
}
