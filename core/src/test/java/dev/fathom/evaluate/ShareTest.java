package dev.fathom.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class ShareTest {
  @Test
  void theIntervalIsWilsons() {
    var share = new Share(22, 24);
    assertThat(share.value()).isCloseTo(0.9167, within(1e-4));
    assertThat(share.low()).isCloseTo(0.7415, within(1e-3));
    assertThat(share.high()).isCloseTo(0.9768, within(1e-3));
  }

  @Test
  void evenAllOfThemLeaveDoubt() {
    assertThat(new Share(24, 24).low()).isCloseTo(0.862, within(1e-3));
    assertThat(new Share(24, 24).high()).isEqualTo(1);
    assertThat(new Share(0, 24).low()).isEqualTo(0);
    assertThatThrownBy(() -> new Share(3, 2)).hasMessageContaining("3 of 2");
  }
}
