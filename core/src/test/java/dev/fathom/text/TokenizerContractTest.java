package dev.fathom.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What holds for every tokenizer, whatever the file.
class TokenizerContractTest {

  static List<Tokenizer> tokenizers() {
    return List.of(
        Tokenizers.load(Fixtures.directory("byte_bpe_gpt2")),
        Tokenizers.load(Fixtures.directory("byte_bpe_llama3")),
        Tokenizers.load(Fixtures.directory("wordpiece_bert")),
        Tokenizers.load(Fixtures.directory("sentencepiece_bpe")),
        Tokenizers.load(Fixtures.directory("sentencepiece_nfkc_unigram")));
  }

  @ParameterizedTest
  @MethodSource("tokenizers")
  void piecesAndIdsAreInverse(Tokenizer tokenizer) {
    for (int id = 0; id < tokenizer.size(); id++) {
      assertThat(tokenizer.id(tokenizer.piece(id))).hasValue(id);
      assertThat(tokenizer.display(id)).isNotEmpty();
    }
    assertThat(tokenizer.id("no such piece at all")).isEmpty();
  }

  @ParameterizedTest
  @MethodSource("tokenizers")
  void idsOutsideTheVocabularyAreAnswered(Tokenizer tokenizer) {
    int size = tokenizer.size();
    assertThat(tokenizer.display(size + 7)).isEqualTo("⟨" + (size + 7) + "⟩");
    assertThat(tokenizer.isSpecial(size + 7)).isFalse();
    assertThat(tokenizer.isSpecial(-1)).isFalse();
    assertThat(tokenizer.decode(new int[] {size + 7}, false)).isEmpty();
    assertThatThrownBy(() -> tokenizer.piece(size)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> tokenizer.piece(-1)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> tokenizer.display(-1)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> tokenizer.decode(new int[] {-1}, true))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @ParameterizedTest
  @MethodSource("tokenizers")
  void anUnpairedSurrogateCountsAsTheReplacementCharacter(Tokenizer tokenizer) {
    String text = "a\uD83D b\uDE42\uD83D\uDE42\uD83D";
    String replaced = "a\uFFFD b\uFFFD\uD83D\uDE42\uFFFD";
    assertThat(tokenizer.encode(text)).isEqualTo(tokenizer.encode(replaced));
  }

  @ParameterizedTest
  @MethodSource("tokenizers")
  void offsetsAreInOrderAndNeverCutACharacter(Tokenizer tokenizer) {
    SplittableRandom random = new SplittableRandom(3);
    for (int round = 0; round < 200; round++) {
      String text = randomText(random);
      Encoding encoding = tokenizer.encode(text, SpecialTokens.NONE);
      int before = 0;
      for (int i = 0; i < encoding.size(); i++) {
        int start = encoding.start(i);
        int end = encoding.end(i);
        assertThat(start).as("round %d", round).isBetween(before, end);
        assertThat(end).isLessThanOrEqualTo(text.length());
        assertThat(text.codePointCount(0, start) + text.codePointCount(start, text.length()))
            .isEqualTo(text.codePointCount(0, text.length()));
        before = start;
      }
    }
  }

  @Test
  void byteLevelTokenizersLoseNothing() {
    SplittableRandom random = new SplittableRandom(5);
    for (Tokenizer tokenizer : tokenizers().subList(0, 2)) {
      for (int round = 0; round < 200; round++) {
        String text = randomText(random);
        int[] ids = tokenizer.encode(text, SpecialTokens.NONE).ids();
        assertThat(tokenizer.decode(ids, false)).as("round %d", round).isEqualTo(text);
      }
    }
  }

  @Test
  void partsOfACharacterAreShownAsBytes() {
    for (Tokenizer tokenizer : List.of(tokenizers().get(0), tokenizers().get(3))) {
      int[] ids = tokenizer.encode("🙂", SpecialTokens.NONE).ids();
      String shown = String.join("", Arrays.stream(ids).mapToObj(tokenizer::display).toList());
      assertThat(shown.strip()).startsWith("\\xF0").endsWith("\\x82");
    }
  }

  @Test
  void displayIsTheTextThatATokenStandsFor() {
    Tokenizer bytes = tokenizers().get(0);
    assertThat(bytes.display(bytes.id("Ġthe").orElseThrow())).isEqualTo(" the");
    assertThat(bytes.display(bytes.id("Ċ").orElseThrow())).isEqualTo("\n");
    Tokenizer pieces = tokenizers().get(3);
    assertThat(pieces.display(pieces.id("▁the").orElseThrow())).isEqualTo(" the");
    assertThat(pieces.display(pieces.id("<0x0A>").orElseThrow())).isEqualTo("\n");
    assertThat(pieces.display(pieces.id("<s>").orElseThrow())).isEqualTo("<s>");
    Tokenizer words = tokenizers().get(2);
    assertThat(words.display(words.id("##ing").orElseThrow())).isEqualTo("ing");
  }

  @Test
  void manyThreadsGetTheSameAnswer() {
    for (Tokenizer tokenizer : tokenizers()) {
      Encoding expected = tokenizer.encode("The Eiffel Tower is located in the city of");
      boolean same =
          IntStream.range(0, 500)
              .parallel()
              .allMatch(i ->
                  tokenizer.encode("The Eiffel Tower is located in the city of").equals(expected));
      assertThat(same).isTrue();
    }
  }

  private static String randomText(SplittableRandom random) {
    String[] bits = {
      "a", "Z", " ", "\n", "é", "中", "🙂", "\u0301", "\u200d", "1", "!", "\u0000", "▁"
    };
    StringBuilder text = new StringBuilder();
    for (int length = random.nextInt(1, 40); length > 0; length--) {
      text.append(bits[random.nextInt(bits.length)]);
    }
    return text.toString();
  }
}
