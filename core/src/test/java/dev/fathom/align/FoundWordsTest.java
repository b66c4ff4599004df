package dev.fathom.align;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.align.AttributeWords.Found;
import org.junit.jupiter.api.Test;

class FoundWordsTest {
  @Test
  void wholeWordsAreFoundWhateverTheirCase() {
    assertThat(Fittings.GENDER.found("Man, the manly SHE; fathers and a father."))
        .containsExactly(new Found(0, 0, 3), new Found(1, 15, 18), new Found(0, 34, 40));
    assertThat(Fittings.RELIGION.found("A mosque, a church"))
        .containsExactly(new Found(2, 2, 8), new Found(1, 12, 18));
    assertThat(Fittings.GENDER.found("nobody here")).isEmpty();
  }
}
