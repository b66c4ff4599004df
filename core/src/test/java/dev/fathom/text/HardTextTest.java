package dev.fathom.text;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.StreamSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/// Texts that break tokenizers (joined emoji, combining marks, NUL, long runs, odd spaces, random
/// mixtures) and models with unusual settings equal their references.
class HardTextTest {

  @ParameterizedTest
  @ValueSource(
      strings = {
        "byte_bpe_gpt2",
        "byte_bpe_llama3",
        "wordpiece_bert",
        "sentencepiece_bpe",
        "sentencepiece_unigram",
        "sentencepiece_nfkc_unigram",
        "sentencepiece_rules_bpe",
        "sentencepiece_suffix_bpe",
        "sentencepiece_noprefix_unigram"
      })
  void hardTextsEncodeAndDecodeAsTheReference(String name) {
    Tokenizer tokenizer = Tokenizers.load(Fixtures.directory(name));
    ReferenceTest.assertEqual(tokenizer, Fixtures.cases(name + "/hard.json"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "sentencepiece_bpe",
        "sentencepiece_unigram",
        "sentencepiece_nfkc_unigram",
        "sentencepiece_rules_bpe",
        "sentencepiece_suffix_bpe",
        "sentencepiece_noprefix_unigram"
      })
  void idsThatNoTextHasDecodeAsTheReference(String name) {
    Tokenizer tokenizer = Tokenizers.load(Fixtures.directory(name));
    for (JsonNode node : Fixtures.json(name + "/decode.json")) {
      int[] ids =
          StreamSupport.stream(node.path("ids").spliterator(), false)
              .mapToInt(JsonNode::intValue)
              .toArray();
      assertThat(tokenizer.decode(ids, true)).isEqualTo(node.path("decoded").stringValue());
    }
  }
}
