package dev.fathom.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

class GenerationQualityTest {
  @Test
  void aTextThatNeverRepeatsItselfHasNoRepetition() {
    var quality = GenerationQuality.of(List.of(List.of(1, 2, 3, 4, 5, 6)));
    assertThat(quality).isEqualTo(new GenerationQuality(0, 1, 1, 6));
  }

  @Test
  void aLoopRepeatsItself() {
    var quality = GenerationQuality.of(List.of(Collections.nCopies(23, 9)));
    assertThat(quality.repetition()).isCloseTo(1 - 1.0 / 20, within(1e-12));
    assertThat(quality.distinct2()).isCloseTo(1.0 / 22, within(1e-12));
  }

  @Test
  void repetitionIsWithinTextsAndDistinctPairsAreOverAllOfThem() {
    List<Integer> text = List.of(1, 2, 3, 4, 5);
    var quality = GenerationQuality.of(List.of(text, text, List.of(1, 2), List.of(7), List.of()));
    assertThat(quality.repetition()).isZero();
    assertThat(quality.distinct2()).isCloseTo(4.0 / 9, within(1e-12));
    assertThat(quality.texts()).isEqualTo(5);
    assertThat(quality.tokens()).isEqualTo(13);
  }

  @Test
  void withoutAnythingToCountThereIsNoNumber() {
    var quality = GenerationQuality.of(List.of(List.of(1)));
    assertThat(quality.repetition()).isNaN();
    assertThat(quality.distinct2()).isNaN();
  }
}
