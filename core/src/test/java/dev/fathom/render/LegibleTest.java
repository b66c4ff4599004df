package dev.fathom.render;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class LegibleTest {
  @Test
  void whatCannotBeSeenIsShownAndWhatCouldActIsNot() {
    assertThat(Legible.of("a\033[31mb")).isEqualTo("a␛[31mb");
    assertThat(Legible.of("a\nb\tc\r")).isEqualTo("a⏎b⇥c␍");
    assertThat(Legible.of("\u202ex\u200b")).isEqualTo("⟨202E⟩x⟨200B⟩");
    assertThat(Legible.of("\u009b")).isEqualTo("⟨9B⟩");
    assertThat(Legible.of("a\ud800b")).isEqualTo("a�b");
    assertThat(Legible.of("plain text, é, 日本, שלום, 😀")).isEqualTo("plain text, é, 日本, שלום, 😀");
  }

  @Test
  void combiningMarksNeedALetterAndDoNotPileUp() {
    assertThat(Legible.of("\u0301")).isEqualTo("◌\u0301");
    assertThat(Legible.of("e" + "\u0301".repeat(100))).isEqualTo("e\u0301\u0301\u0301");
  }

  @Test
  void labelsDropOneLeadingSpaceAndShowLonelyOnes() {
    assertThat(Legible.label(" Paris")).isEqualTo("Paris");
    assertThat(Legible.label("  ")).isEqualTo("␣␣");
    assertThat(Legible.label(" ")).isEqualTo("␣");
    assertThat(Legible.label("")).isEmpty();
  }

  @Test
  void widthCountsColumnsNotCharacters() {
    assertThat(Legible.width("abc")).isEqualTo(3);
    assertThat(Legible.width("日本語")).isEqualTo(6);
    assertThat(Legible.width("e\u0301")).isEqualTo(1);
    assertThat(Legible.width("😀")).isEqualTo(2);
    assertThat(Legible.width("👨‍👩‍👧")).isEqualTo(2);
    assertThat(Legible.width("🇫🇷")).isEqualTo(2);
    assertThat(Legible.width("❤️")).isEqualTo(2);
    assertThat(Legible.width("한글")).isEqualTo(4);
    assertThat(Legible.width("ﾊﾝｶｸ")).isEqualTo(4);
    assertThat(Legible.width("ｆｕｌｌ")).isEqualTo(8);
  }

  @Test
  void cuttingNeverSplitsACharacterOfTwoColumns() {
    assertThat(Legible.cut("日本語", 5, "…")).isEqualTo("日本…");
    assertThat(Legible.cut("日本語", 3, "…")).isEqualTo("日");
    assertThat(Legible.cut("abc", 3, "…")).isEqualTo("abc");
    assertThat(Legible.pieces("日本語", 5)).containsExactly("日本", "語");
    assertThat(Legible.wrap("one two three", 7)).containsExactly("one two", "three");
  }

  @Test
  void longTextIsMeasuredWithoutTrouble() {
    assertThat(Legible.width("x\u0301".repeat(200_000))).isEqualTo(200_000);
  }
}
