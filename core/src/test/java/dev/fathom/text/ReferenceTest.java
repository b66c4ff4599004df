package dev.fathom.text;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Every tokenizer equals its reference implementation: ids, pieces, offsets, decoded text.
class ReferenceTest {

  @ParameterizedTest
  @ValueSource(
      strings = {
        "byte_bpe_gpt2",
        "byte_bpe_llama3",
        "sentencepiece_bpe",
        "sentencepiece_unigram",
        "wordpiece_bert"
      })
  void everyKindEncodesAndDecodesAsItsReference(String name) {
    Tokenizer tokenizer = Tokenizers.load(Fixtures.directory(name));
    assertEqual(tokenizer, Fixtures.cases(name + "/expected.json"));
  }

  @Test
  @Tag("weights")
  void smolLm2EncodesAndDecodesAsItsReference() {
    Tokenizer tokenizer = Tokenizers.load(Fixtures.models().resolve("smollm2-tokenizer"));
    assertThat(tokenizer.size()).isEqualTo(49152);
    assertEqual(tokenizer, Fixtures.cases("smollm2/expected.json"));
  }

  static void assertEqual(Tokenizer tokenizer, List<Fixtures.Case> expected) {
    assertThat(expected.size()).isGreaterThan(20);
    expected.forEach(one -> assertEqual(tokenizer, one));
  }

  private static void assertEqual(Tokenizer tokenizer, Fixtures.Case expected) {
    Encoding encoding = tokenizer.encode(expected.text());
    assertThat(encoding.ids()).as("ids of %s", expected.text()).isEqualTo(expected.ids());
    assertThat(encoding.pieces()).isEqualTo(expected.pieces());
    if (expected.starts() != null) {
      assertThat(encoding.starts())
          .as("starts in %s", expected.text())
          .isEqualTo(expected.starts());
      assertThat(encoding.ends()).as("ends in %s", expected.text()).isEqualTo(expected.ends());
    }
    assertThat(tokenizer.decode(encoding.ids(), false)).isEqualTo(expected.decoded());
    if (expected.decodedWithoutSpecial() != null) {
      assertThat(tokenizer.decode(encoding.ids(), true))
          .isEqualTo(expected.decodedWithoutSpecial());
    }
  }
}
