package dev.fathom.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;

class TokenScorerTest {
  private static final List<int[]> ROWS = List.of(new int[] {1, 2, 3}, new int[] {4}, new int[4]);

  private static TokenScorer saying(double... probabilities) {
    return (rows, _) ->
        rows.stream()
            .map(row -> {
              float[] found = new float[row.length - 1];
              for (int i = 0; i < found.length; i++) {
                found[i] = (float) Math.log(probabilities[i % probabilities.length]);
              }
              return found;
            })
            .toList();
  }

  @Test
  void aUniformModelHasItsVocabulary() {
    assertThat(saying(0.02).perplexity(ROWS)).isCloseTo(50, within(1e-4));
  }

  /// Every token counts the same, whichever row it is in.
  @Test
  void rowsAreTakenTogether() {
    double nats = -(3 * Math.log(0.5) + 2 * Math.log(0.125));
    assertThat(saying(0.5, 0.125).perplexity(ROWS)).isCloseTo(Math.exp(nats / 5), within(1e-5));
    assertThat(saying(0.5).perplexity(ROWS.subList(1, 2))).isNaN();
  }
}
