package dev.fathom.text;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenDisplayTest {

  @ParameterizedTest
  @CsvSource(
      ignoreLeadingAndTrailingWhitespace = false,
      value = {" Paris, Paris", "\u00a0x,⍽x", "\u200b,⟨U+200B⟩", "\ufeffx,⟨U+FEFF⟩x", "é🙂,é🙂"})
  void theInvisibleIsMadeVisible(String text, String shown) {
    assertThat(TokenDisplay.visible(text)).isEqualTo(shown);
  }

  @Test
  void everyTokenIsOneLine() {
    assertThat(TokenDisplay.visible("a\r\n\tb\u0000\u2028")).isEqualTo("a␍↵⇥b⟨U+0000⟩⟨U+2028⟩");
  }

  @Test
  void joinersInsideAnEmojiStay() {
    String family = "👩\u200d👧";
    assertThat(TokenDisplay.visible(family)).isEqualTo(family);
    assertThat(TokenDisplay.visible("\u200d")).isEqualTo("⟨U+200D⟩");
  }

  @Test
  void aTokenIsShownByItsId() {
    Tokenizer tokenizer = Tokenizers.load(Fixtures.directory("byte_bpe_gpt2"));
    assertThat(TokenDisplay.of(tokenizer, tokenizer.id("Ċ").orElseThrow())).isEqualTo("↵");
  }
}
