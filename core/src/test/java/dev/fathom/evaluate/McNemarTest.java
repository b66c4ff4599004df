package dev.fathom.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class McNemarTest {
  /// By exact fractions: `2 Σ C(n, i) / 2^n`.
  @ParameterizedTest
  @CsvSource({
    "0, 0, 1",
    "1, 0, 1",
    "5, 5, 1",
    "2, 10, 0.03857421875",
    "0, 20, 1.9073486328125e-06",
    "1000, 1200, 2.18170264079e-05",
    "4900, 5100, 0.04658552708",
  })
  void pIsThatOfACoinThatIsTossedForEachItemTheyDifferIn(int first, int second, double p) {
    assertThat(new McNemar(7, first, second, 9).p()).isCloseTo(p, within(1e-9 + 1e-7 * p));
    assertThat(new McNemar(0, second, first, 0).p()).isCloseTo(p, within(1e-9 + 1e-7 * p));
  }

  @Test
  void itemsAreCountedByWhoGotThemRight() {
    McNemar four =
        McNemar.none().and(true, true).and(true, false).and(false, true).and(false, false);
    assertThat(four).isEqualTo(new McNemar(1, 1, 1, 1));
    McNemar five = four.and(false, true);
    assertThat(five.difference()).isEqualTo(0.2);
    assertThat(five.plus(four)).isEqualTo(new McNemar(2, 2, 3, 2));
    assertThat(McNemar.none().difference()).isNaN();
    assertThatThrownBy(() -> new McNemar(0, -1, 0, 0)).isInstanceOf(IllegalArgumentException.class);
  }
}
