package dev.fathom.model;

import static dev.fathom.model.ByteTokenizer.CONTROL;
import static dev.fathom.model.ByteTokenizer.EURO;
import static dev.fathom.model.ByteTokenizer.FACE;
import static dev.fathom.model.ByteTokenizer.STOP_END;
import static dev.fathom.model.ByteTokenizer.STOP_START;
import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.References;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TextStreamTest {
  private static final int A = 0;
  private static final int B = 1;
  private final Decoding decoding = Decoding.greedy(100);

  private static List<String> told(Decoding decoding, int[] prompt, int... ids) {
    var stream = new TextStream(new ByteTokenizer(), prompt, decoding);
    var told = new ArrayList<String>();
    for (int id : ids) {
      if (!stream.stopped()) {
        told.add(stream.accept(id));
      }
    }
    told.add(stream.end());
    assertThat(String.join("", told)).isEqualTo(stream.text());
    return told;
  }

  @Test
  void aCharacterIsToldWhenItIsWhole() {
    assertThat(told(decoding, new int[] {A}, B, EURO, EURO + 1, EURO + 2, FACE, FACE + 1, A))
        .containsExactly("B", "", "", "€", "", "😀", "A", "");
  }

  @Test
  void bytesThatStayUnfinishedAreToldAtTheEnd() {
    assertThat(told(decoding, new int[] {A}, B, EURO, EURO + 1))
        .containsExactly("B", "", "", "\uFFFD");
    assertThat(told(decoding, new int[] {A}, EURO, A)).containsExactly("", "\uFFFDA", "");
  }

  @Test
  void bytesThatNeverMakeACharacterAreHeldBackForAWhileOnly() {
    assertThat(told(decoding, new int[] {A}, EURO, EURO, EURO, EURO, EURO))
        .containsExactly("", "", "", "\uFFFD", "\uFFFD", "\uFFFD\uFFFD\uFFFD");
  }

  @Test
  void aCharacterThatThePromptBeganIsFinished() {
    assertThat(told(decoding, new int[] {A, EURO, EURO + 1}, EURO + 2, A))
        .containsExactly("€", "A", "");
  }

  @Test
  void controlTokensAreShownOnDemandOnly() {
    assertThat(told(decoding, new int[] {A}, B, CONTROL, A)).containsExactly("B", "", "A", "");
    assertThat(told(decoding.showingControl(), new int[] {A}, B, CONTROL, A))
        .containsExactly("B", "<end>", "A", "");
  }

  @Test
  void aStopTextIsFoundAcrossTokensAndCutOffWithWhatFollows() {
    var stopping = decoding.stopAt(List.of("STOP"));
    assertThat(told(stopping, new int[] {A}, B, STOP_START, STOP_END))
        .containsExactly("B", "x", "", "");
  }

  @Test
  void whatOnlyLookedLikeAStopTextIsToldAfterAll() {
    var stopping = decoding.stopAt(List.of("STOP"));
    assertThat(told(stopping, new int[] {A}, STOP_START, A)).containsExactly("x", "STOA", "");
    assertThat(told(stopping, new int[] {A}, STOP_START)).containsExactly("x", "STO");
  }

  @Test
  void theFirstOfSeveralStopTextsCuts() {
    assertThat(
            String.join(
                "", told(decoding.stopAt(List.of("P", "TO")), new int[] {A}, STOP_START, STOP_END)))
        .isEqualTo("xS");
    assertThat(String.join("", told(decoding.stopAt(List.of("AAB")), new int[] {B}, A, A, A, B, B)))
        .isEqualTo("A");
  }

  @Test
  void aStopTextInThePromptDoesNotStop() {
    assertThat(told(decoding.stopAt(List.of("STOP")), new int[] {STOP_START, STOP_END}, A))
        .containsExactly("A", "");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"byte_bpe_gpt2", "byte_bpe_llama3", "sentencepiece_bpe", "sentencepiece_unigram"})
  void whatIsToldIsTheTextOfTheWholeLessThatOfThePrompt(String kind) {
    Tokenizer tokenizer = Tokenizers.load(References.path("tokenizers/" + kind));
    var random = new Random(11);
    for (int turn = 0; turn < 100; turn++) {
      int[] prompt = tokenizer.encode("A prompt of words").ids();
      int[] ids = random.ints(30, 0, tokenizer.size()).toArray();
      var stream = new TextStream(tokenizer, prompt, decoding);
      var told = new StringBuilder();
      for (int id : ids) {
        told.append(stream.accept(id));
      }
      told.append(stream.end());
      int[] whole = new int[prompt.length + ids.length];
      System.arraycopy(prompt, 0, whole, 0, prompt.length);
      System.arraycopy(ids, 0, whole, prompt.length, ids.length);
      String before = tokenizer.decode(prompt, true);
      assertThat(before + told).as(kind).isEqualTo(tokenizer.decode(whole, true));
    }
  }
}
