package dev.fathom.explain.attribute;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.evaluate.RankCorrelation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/// Shapley values, LIME and faithfulness curves on games whose answer is known.
class ShapleyTest {
  record Game(int players, ToDoubleFunction<boolean[]> value) implements Coalition {
    @Override
    public double[] values(List<boolean[]> sets) {
      return sets.stream().mapToDouble(value).toArray();
    }
  }

  private static final double[] WORTH = {2, -1, 0, 0.5, 3, -2, 1, 4};

  private static Game linear() {
    return new Game(
        WORTH.length,
        set -> 5 + IntStream.range(0, WORTH.length).mapToDouble(i -> set[i] ? WORTH[i] : 0).sum());
  }

  /// Any value for each set, the same at every call.
  private static Game anything(int players, long seed) {
    double[] v = new Random(seed).doubles(1L << players).toArray();
    return new Game(
        players, set -> v[IntStream.range(0, players).map(i -> set[i] ? 1 << i : 0).sum()]);
  }

  @Test
  void inALinearGameEveryMethodFindsTheWorthOfEachPlayer() {
    Game game = linear();
    assertThat(Shapley.exact(game).values())
        .usingComparatorWithPrecision(1e-12)
        .containsExactly(WORTH);
    var regression = Shapley.regression(game, 200, 1);
    assertThat(regression.values()).usingComparatorWithPrecision(1e-9).containsExactly(WORTH);
    assertThat(Arrays.stream(regression.errors()).max().orElseThrow()).isLessThan(1e-9);
    var orders = Shapley.orders(game, 6, 1);
    assertThat(orders.values()).usingComparatorWithPrecision(1e-12).containsExactly(WORTH);
    assertThat(Arrays.stream(orders.errors()).max().orElseThrow()).isLessThan(1e-7);
    var lime = LocalSurrogate.of(game, new AttributionMethod.Lime(Filler.MEAN, 200, 0.25, 1e-9, 3));
    assertThat(lime.values()).usingComparatorWithPrecision(1e-6).containsExactly(WORTH);
    assertThat(lime.fit()).isCloseTo(1, within(1e-9));
  }

  @Test
  void theValuesSumToWhatAllHaveOverNone() {
    Game game = anything(6, 2);
    for (var found :
        List.of(
            Shapley.exact(game), Shapley.regression(game, 40, 5), Shapley.orders(game, 10, 5))) {
      assertThat(LeastSquares.sum(found.values()))
          .isCloseTo(found.all() - found.none(), within(1e-9));
    }
  }

  @Test
  void equalPlayersGetTheSameAndIdleOnesNothing() {
    // worth: whether 0 or 1 is there, times whether 2 is; 3 does nothing
    var game = new Game(4, set -> (set[0] || set[1]) && set[2] ? 6 : 0);
    double[] values = Shapley.exact(game).values();
    assertThat(values[0]).isCloseTo(values[1], within(1e-12));
    assertThat(values).usingComparatorWithPrecision(1e-12).containsExactly(1, 1, 4, 0);
  }

  @Test
  void exactValuesAreTheMeanOverAllOrders() {
    Game game = anything(4, 3);
    double[] sum = new double[4];
    int count = 0;
    for (List<Integer> order : permutations(List.of(0, 1, 2, 3))) {
      boolean[] set = new boolean[4];
      for (int i : order) {
        double before = game.value().applyAsDouble(set);
        set[i] = true;
        sum[i] += game.value().applyAsDouble(set) - before;
      }
      count++;
    }
    int orders = count;
    assertThat(Shapley.exact(game).values())
        .usingComparatorWithPrecision(1e-12)
        .containsExactly(Arrays.stream(sum).map(s -> s / orders).toArray());
  }

  @Test
  void estimatesAreWithinTheirErrorsOfTheExactValues() {
    Game game = anything(9, 4);
    double[] exact = Shapley.exact(game).values();
    for (var found : List.of(Shapley.regression(game, 4000, 6), Shapley.orders(game, 1000, 6))) {
      for (int i = 0; i < exact.length; i++) {
        double error = java.util.Objects.requireNonNull(found.errors())[i];
        assertThat(error).isBetween(1e-4, 0.05);
        assertThat(Math.abs(found.values()[i] - exact[i])).isLessThan(4 * error);
      }
    }
  }

  @Test
  void theTrueOrderOfALinearGameLosesMostAndFindsMost() {
    var orders = new ArrayList<List<Integer>>();
    List<Integer> players = new ArrayList<>(IntStream.range(0, WORTH.length).boxed().toList());
    players.sort((a, b) -> Double.compare(WORTH[b], WORTH[a]));
    orders.add(List.copyOf(players));
    for (int i = 0; i < 20; i++) {
      Collections.shuffle(players, new Random(i));
      orders.add(List.copyOf(players));
    }
    var curves = Faithfulness.curves(linear(), orders);
    for (var other : curves) {
      assertThat(curves.getFirst().lost()).isGreaterThanOrEqualTo(other.lost());
      assertThat(curves.getFirst().found()).isGreaterThanOrEqualTo(other.found());
      // what is left after k is what is put back by the other order's end
      assertThat(other.deletion().at(0)).isEqualTo(other.insertion().at(WORTH.length));
      assertThat(other.insertion().at(0)).isEqualTo(other.deletion().at(WORTH.length));
    }
  }

  @Test
  void rankCorrelationIsOneInTheSameOrderAndMinusOneInReverse() {
    float[] a = {1, 5, 2, Float.NaN, 7};
    assertThat(RankCorrelation.of(a, new float[] {10, 500, 20, 3, 5000}))
        .isCloseTo(1, within(1e-12));
    assertThat(RankCorrelation.of(a, new float[] {4, 2, 3, 9, 1})).isCloseTo(-1, within(1e-12));
    assertThat(RankCorrelation.of(a, new float[] {4, 4, 4, 4, 4})).isNaN();
  }

  private static List<List<Integer>> permutations(List<Integer> of) {
    if (of.isEmpty()) {
      return List.of(List.of());
    }
    var all = new ArrayList<List<Integer>>();
    for (Integer first : of) {
      var rest = new ArrayList<>(of);
      rest.remove(first);
      for (List<Integer> tail : permutations(rest)) {
        var whole = new ArrayList<>(List.of(first));
        whole.addAll(tail);
        all.add(whole);
      }
    }
    return all;
  }
}
