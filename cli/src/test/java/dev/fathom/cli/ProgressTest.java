package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ProgressTest {
  @Test
  void theLineShowsShareAndTimeLeft() {
    assertThat(Progress.line("reading", 50, 200, Duration.ofSeconds(20), 80))
        .isEqualTo("reading  [########----------------------]   25%  1:00 left");
  }

  @Test
  void aNarrowTerminalGetsNoBarAndNothingIsWiderThanIt() {
    assertThat(Progress.line("reading", 50, 200, Duration.ofSeconds(20), 30))
        .isEqualTo("reading   25%  1:00 left");
    for (int width = 1; width < 100; width++) {
      assertThat(Progress.line("reading", 199, 200, Duration.ofHours(2), width))
          .hasSizeLessThan(Math.max(width, 1));
    }
  }

  @Test
  void anUnknownTotalIsCounted() {
    assertThat(Progress.line("reading", 1500, 0, Duration.ofSeconds(65), 80))
        .isEqualTo("reading  1,500  1:05");
  }

  @Test
  void shortWorkAndWorkNobodyWatchesShowNothing() {
    var watched = FakeTerminal.watched(Map.of("TERM", "xterm"));
    try (var progress = Progress.start(watched.console(), "reading", 10)) {
      progress.advance(5);
    }
    assertThat(watched.err()).isEmpty();

    var piped = FakeTerminal.piped();
    try (var progress = Progress.start(piped.console(), "reading", 10)) {
      progress.advance(10);
    }
    assertThat(piped.err()).isEmpty();
  }
}
