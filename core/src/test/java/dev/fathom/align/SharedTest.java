package dev.fathom.align;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class SharedTest {
  private record Key(String name) {}

  @Test
  void eachThingIsFoundOnceUntilItIsForgotten() {
    var shared = new Shared();
    var found = new AtomicInteger();
    for (int i = 0; i < 3; i++) {
      int one = shared.of(new Key("a"), found::incrementAndGet);
      int other = shared.of(new Key("b"), found::incrementAndGet);
      assertThat(one).isEqualTo(1);
      assertThat(other).isEqualTo(2);
    }
    shared.forget();
    int again = shared.of(new Key("b"), found::incrementAndGet);
    assertThat(again).isEqualTo(3);
  }
}
