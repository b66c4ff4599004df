package dev.fathom.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.Numbers;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TextWindowsTest {
  private static final Numbers NUMBERS = new Numbers(50);

  private static String text(int tokens) {
    return IntStream.range(0, tokens).mapToObj(String::valueOf).collect(Collectors.joining(" "));
  }

  @Test
  void rowsFollowEachOtherAndALastTokenAloneIsLeftOut() {
    var windows = TextWindows.of(NUMBERS, text(11), 5, Optional.empty());
    assertThat(windows.rows()).hasSize(2);
    assertThat(windows.rows().get(1)).containsExactly(5, 6, 7, 8, 9);
    assertThat(windows.startTokens()).isZero();
    assertThat(windows.tokens()).isEqualTo(10);
    assertThat(TextWindows.of(NUMBERS, text(12), 5, Optional.empty()).rows().get(2))
        .containsExactly(10, 11);
  }

  @Test
  void aShareOfTheTokensIsMaskedTheSameWayEachTime() {
    var windows = TextWindows.of(NUMBERS, text(48), 48, Optional.empty());
    var masked = windows.masked(49, 0.5, 3);
    int[] row = masked.rows().getFirst();
    assertThat(Arrays.stream(row).filter(id -> id == 49).count()).isBetween(12L, 36L);
    assertThat(windows.masked(49, 0.5, 3).rows().getFirst()).containsExactly(row);
  }

  @Test
  void tooLittleTextIsRefused() {
    assertThatThrownBy(() -> TextWindows.of(NUMBERS, "7", 5, Optional.empty()))
        .hasMessageContaining("1 tokens");
    assertThatThrownBy(() -> TextWindows.of(NUMBERS, text(9), 1, Optional.empty()))
        .hasMessageContaining("at least 2 tokens, found 1");
  }
}
