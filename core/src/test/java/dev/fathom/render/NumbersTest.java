package dev.fathom.render;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class NumbersTest {
  @Test
  void numbersHaveThreeDigitsThatCount() {
    assertThat(Numbers.format(0.70154)).isEqualTo("0.702");
    assertThat(Numbers.format(12.84186)).isEqualTo("12.8");
    assertThat(Numbers.format(49151)).isEqualTo("49151");
    assertThat(Numbers.format(1234.5)).isEqualTo("1235");
    assertThat(Numbers.format(0.2f)).isEqualTo("0.2");
    assertThat(Numbers.format(1.234e-5)).isEqualTo("1.23e-5");
    assertThat(Numbers.format(-3.2e12)).isEqualTo("-3.20e12");
    assertThat(Numbers.format(-0.0)).isEqualTo("0");
    assertThat(Numbers.format(Double.NaN)).isEqualTo("n/a");
    assertThat(Numbers.format(Double.NEGATIVE_INFINITY)).isEqualTo("-inf");
  }

  @Test
  void narrowNumbersKeepTheirSize() {
    assertThat(Numbers.fit(-12.345, 4)).isEqualTo("-12");
    assertThat(Numbers.fit(123456, 4)).isEqualTo("1e5");
    assertThat(Numbers.fit(-123456, 3)).isEqualTo("#");
  }

  @Test
  void numbersOfOnePictureShareTheirDecimals() {
    assertThat(Numbers.fixed(0.5, 7.4, 8)).isEqualTo("0.50");
    assertThat(Numbers.fixed(-0.001, 7.4, 8)).isEqualTo("0.00");
    assertThat(Numbers.fixed(123.4, 900, 8)).isEqualTo("123");
    assertThat(Numbers.fixed(1e-9, 3e-9, 8)).isEqualTo("1.00e-9");
  }
}
