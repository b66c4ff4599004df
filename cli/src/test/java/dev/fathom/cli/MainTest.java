package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class MainTest {
  @Test
  void helpIsShown() {
    assertThat(1).isOne();
  }
}
