package dev.fathom.refine.study;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Set;
import org.junit.jupiter.api.Test;

class LayerStudyTest {
  @Test
  void theSevenRegionsAddUpToTheUnion() {
    int[] counts =
        LayerStudy.regions(
            Set.of("a", "ab", "ac", "abc"),
            Set.of("b", "ab", "bc", "abc"),
            Set.of("c", "ac", "bc", "abc"));
    assertThat(counts).containsOnly(1);
    assertThat(Arrays.stream(counts).sum()).isEqualTo(7);
    assertThat(LayerStudy.regions(Set.of("x", "y"), Set.of("y"), Set.of()))
        .containsExactly(1, 0, 1, 0, 0, 0, 0);
  }
}
