package dev.fathom.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class QuantilesTest {
  @Test
  void betweenNeighboursInProportion() {
    double[] values = {4, 1, Double.NaN, 3, 2};
    assertThat(Quantiles.of(values, 0)).isEqualTo(1);
    assertThat(Quantiles.of(values, 1)).isEqualTo(4);
    assertThat(Quantiles.of(values, 0.25)).isCloseTo(1.75, within(1e-12));
    assertThat(Quantiles.median(values)).isEqualTo(2.5);
    assertThat(Quantiles.median(new double[] {7})).isEqualTo(7);
  }

  @Test
  void ofNothing() {
    assertThat(Quantiles.median(new double[] {Double.NaN})).isNaN();
  }
}
