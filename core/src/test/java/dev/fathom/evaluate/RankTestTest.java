package dev.fathom.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/// Numbers of SciPy 1.17.1: `mannwhitneyu`, and for ties in few numbers all combinations.
class RankTestTest {
  private static double[] numbers(int count, IntToDoubleFunction number) {
    return IntStream.range(0, count).mapToDouble(number).toArray();
  }

  @Test
  void fewNumbersAreTestedExactlyWithOrWithoutTies() {
    RankTest plain =
        RankTest.of(
            new double[] {1.2, 3.4, 2.2, 5}, new double[] {0.3, 0.8, 2.1, 1.1, 0.9, 2.9, 0.2});
    assertThat(plain.share()).isCloseTo(25.0 / 28, within(1e-12));
    assertThat(plain.p()).isCloseTo(0.04242424242424242, within(1e-12));
    RankTest tied = RankTest.of(new double[] {3, 3, 4, 5}, new double[] {1, 2, 3, 3, 2, 1, 5});
    assertThat(tied.share()).isCloseTo(0.8035714285714286, within(1e-12));
    assertThat(tied.p()).isCloseTo(0.1303030303030303, within(1e-12));
  }

  @Test
  void manyNumbersAreTestedByANormalDistribution() {
    RankTest tied =
        RankTest.of(numbers(40, i -> i * 37 % 101 / 10.0), numbers(50, i -> i * 53 % 97 / 3 / 4.0));
    assertThat(tied.share() * 2000).isCloseTo(1250.5, within(1e-9));
    assertThat(tied.p()).isCloseTo(0.04229762286589431, within(1e-12));
    RankTest apart = RankTest.of(numbers(40, i -> i + 60), numbers(50, i -> i));
    assertThat(apart.share()).isEqualTo(1);
    assertThat(apart.p()).isCloseTo(4.8212045659609305e-16, within(1e-21));
    RankTest wide = RankTest.of(numbers(100, i -> i + 4), numbers(200, i -> i / 2));
    assertThat(wide.p()).isCloseTo(0.26862183352134117, within(1e-12));
  }

  @Test
  void bothWaysRoundTellTheSameAndEqualNumbersTellNothing() {
    var random = new Random(3);
    for (int size : new int[] {3, 12, 90}) {
      double[] one = numbers(size, _ -> Math.rint(4 * random.nextGaussian()));
      double[] other = numbers(size + 5, _ -> Math.rint(4 * random.nextGaussian()) + 1);
      RankTest there = RankTest.of(one, other);
      RankTest back = RankTest.of(other, one);
      assertThat(back.p()).isCloseTo(there.p(), within(1e-12));
      assertThat(back.share()).isCloseTo(1 - there.share(), within(1e-12));
      double[] same = new double[size];
      Arrays.fill(same, 7);
      assertThat(RankTest.of(same, same)).isEqualTo(new RankTest(0.5, 1));
    }
    assertThat(RankTest.of(new double[] {0}, new double[] {-0.0}).share()).isEqualTo(0.5);
  }

  @Test
  void whatCannotBeRankedIsRefused() {
    assertThatThrownBy(() -> RankTest.of(new double[0], new double[] {1}))
        .hasMessageContaining("found 0 and 1");
    assertThatThrownBy(() -> RankTest.of(new double[] {Double.NaN}, new double[] {1}))
        .hasMessageContaining("1 of them not a number");
  }
}
