package dev.fathom.evaluate.bias;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SharedTokensTest {
  /// Expected are the equal stretches that Python's `difflib.SequenceMatcher` finds.
  @ParameterizedTest
  @CsvSource({
    "1 2 3, 1 2 3, 0-0 1-1 2-2",
    "1 2 3, 4 5 6, ''",
    "1 2 3 4, 1 9 3 4, 0-0 2-2 3-3",
    "1 2 3 4, 3 4 1 2, 0-2 1-3",
    "7 1 2 3 8 1 2, 1 2 8 1 2 3, 1-3 2-4 3-5",
    "1 5 1 5 1, 5 1 5, 1-0 2-1 3-2",
    "1 2, '', ''",
  })
  void theLongestStretchComesFirst(String first, String second, String places) {
    assertThat(
            String.join(
                " ",
                SharedTokens.of(ids(first), ids(second)).stream()
                    .map(place -> place.first() + "-" + place.second())
                    .toList()))
        .isEqualTo(places);
  }

  private static int[] ids(String text) {
    return text.isEmpty()
        ? new int[0]
        : Arrays.stream(text.split(" ")).mapToInt(Integer::parseInt).toArray();
  }
}
