package dev.fathom.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/// A vocabulary taken out of its own file and put the way GGUF has it still gives the same tokens.
class GgufVocabularyTest {
  private static final OptionalInt NO = OptionalInt.empty();

  @ParameterizedTest
  @ValueSource(strings = {"byte_bpe_gpt2", "byte_bpe_llama3"})
  void byteLevelVocabulariesEqualTheirTokenizerJson(String name) {
    Tokenizer file = Tokenizers.load(Fixtures.directory(name));
    String pre = name.endsWith("gpt2") ? "gpt-2" : "llama-bpe";
    OptionalInt first = OptionalInt.of(0);
    Tokenizer gguf = Tokenizers.of(byteLevel(name, pre, first));
    for (Fixtures.Case one : Fixtures.cases(name + "/hard.json")) {
      assertThat(gguf.encode(one.text())).isEqualTo(file.encode(one.text()));
      assertThat(gguf.decode(one.ids(), false)).isEqualTo(one.decoded());
    }
    assertThat(gguf.specials().addsBos()).isEqualTo(name.endsWith("llama3"));
    assertThat(gguf.specials().bos()).isEqualTo(first);
  }

  @Test
  void anUnknownPreTokenizerIsRefusedByName() {
    assertThatThrownBy(() -> Tokenizers.of(byteLevel("byte_bpe_gpt2", "newest-fashion", NO)))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("newest-fashion")
        .hasMessageContaining("tokenizer.json");
  }

  @Test
  void everyKnownPreTokenizerIsUnderstoodByTheLibrary() {
    String names =
        "default gpt-2 smollm starcoder llama-bpe dbrx qwen2 qwen35 tekken gpt-4o falcon bloom"
            + " viking deepseek-v3 deepseek-coder";
    for (String pre : names.split(" ", -1)) {
      Tokenizer tokenizer = Tokenizers.of(byteLevel("byte_bpe_gpt2", pre, OptionalInt.of(0)));
      String text = "It's 12345 ÉTÉ — été 中文かな  don't\n\n x_y();";
      int[] ids = tokenizer.encode(text, SpecialTokens.NONE).ids();
      assertThat(tokenizer.decode(ids, false)).as(pre).isEqualTo(text);
    }
  }

  @Test
  void digitsOfSmolLmStandAlone() {
    Tokenizer tokenizer = Tokenizers.of(byteLevel("byte_bpe_gpt2", "smollm", NO));
    assertThat(tokenizer.encode("in 1 2").pieces()).containsExactly("in", "Ġ", "1", "Ġ", "2");
  }

  @Test
  void aSentencePieceVocabularyEqualsItsTokenizerModel() throws IOException {
    Tokenizer file = Tokenizers.load(Fixtures.directory("sentencepiece_bpe"));
    Tokenizer gguf = Tokenizers.of(llama(Optional.empty(), Optional.empty()));
    for (Fixtures.Case one : Fixtures.cases("sentencepiece_bpe/hard.json")) {
      if (one.text().matches("(?s).*</?(s|unk)>.*")) {
        continue; // special tokens in the text are recognised in one and not in the other
      }
      assertThat(gguf.encode(one.text(), SpecialTokens.NONE)).isEqualTo(file.encode(one.text()));
      assertThat(gguf.decode(one.ids(), true)).isEqualTo(one.decoded());
    }
  }

  @Test
  void aSentencePieceVocabularyBeginsWithBosUnlessTheFileSaysOtherwise() throws IOException {
    Tokenizer gguf = Tokenizers.of(llama(Optional.empty(), Optional.of(true)));
    assertThat(gguf.encode("a").ids()).startsWith(1).endsWith(2);
    Tokenizer without = Tokenizers.of(llama(Optional.of(false), Optional.empty()));
    assertThat(without.encode("a").pieces()).containsExactly("▁a");
  }

  @Test
  void specialTokensInTheTextAreRecognised() throws IOException {
    Tokenizer gguf = Tokenizers.of(llama(Optional.of(false), Optional.empty()));
    Encoding encoding = gguf.encode("a</s>a");
    assertThat(encoding.pieces()).containsExactly("▁a", "</s>", "▁a");
    assertThat(encoding.starts()).containsExactly(0, 1, 5);
    assertThat(gguf.decode(encoding.ids(), false)).isEqualTo("a</s> a");
    assertThat(gguf.isSpecial(encoding.id(1))).isTrue();
  }

  @Test
  void aBertVocabularyEqualsItsTokenizerJson() {
    Tokenizer file = Tokenizers.load(Fixtures.directory("wordpiece_bert"));
    JsonNode root = Fixtures.json("wordpiece_bert/tokenizer.json");
    List<String> tokens = new ArrayList<>();
    int[] types = new int[file.size()];
    for (int id = 0; id < file.size(); id++) {
      String piece = file.piece(id);
      types[id] = id < 5 ? Vocabulary.CONTROL : Vocabulary.NORMAL;
      tokens.add(id < 5 ? piece : piece.startsWith("##") ? piece.substring(2) : "▁" + piece);
    }
    assertThat(root.path("added_tokens").size()).isEqualTo(5);
    Tokenizer gguf =
        Tokenizers.of(
            new Vocabulary(
                "bert",
                "",
                tokens,
                new float[0],
                types,
                List.of(),
                NO,
                NO,
                OptionalInt.of(1),
                OptionalInt.of(0),
                OptionalInt.of(4),
                OptionalInt.of(2),
                OptionalInt.of(3),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty()));
    for (Fixtures.Case one : Fixtures.cases("wordpiece_bert/hard.json")) {
      assertThat(gguf.encode(one.text())).isEqualTo(file.encode(one.text()));
    }
  }

  /// The tokenizer.json beside the model was converted from a form without the rule that digits
  /// stand alone, which the GGUF file names (`smollm`); so the two differ where white space stands
  /// before a digit, and nowhere else.
  @Test
  @Tag("weights")
  void smolLm2FromGgufEqualsItsTokenizerJson() throws IOException {
    Tokenizer file = Tokenizers.load(Fixtures.models().resolve("smollm2-tokenizer"));
    Tokenizer gguf =
        Tokenizers.of(
            GgufMetadata.vocabulary(Fixtures.models().resolve("SmolLM2-135M-Instruct.Q4_1.gguf")));
    assertThat(gguf.specials()).isEqualTo(file.specials());
    assertThat(gguf.chatTemplate()).isEqualTo(file.chatTemplate());
    assertThat(gguf.size()).isEqualTo(file.size());
    List<Fixtures.Case> cases = new ArrayList<>(Fixtures.cases("smollm2/expected.json"));
    cases.addAll(Fixtures.cases("byte_bpe_gpt2/hard.json"));
    cases.addAll(Fixtures.cases("byte_bpe_llama3/hard.json"));
    Pattern spaceBeforeDigit = Pattern.compile("\\s\\p{N}", Pattern.UNICODE_CHARACTER_CLASS);
    int compared = 0;
    for (Fixtures.Case one : cases) {
      if (!spaceBeforeDigit.matcher(one.text()).find()) {
        assertThat(gguf.encode(one.text())).isEqualTo(file.encode(one.text()));
        compared++;
      }
    }
    assertThat(compared).isGreaterThan(150);
    String conversation = "<|im_start|>user\nWhat is in Paris?<|im_end|>\n<|im_start|>assistant\n";
    assertThat(gguf.encode(conversation)).isEqualTo(file.encode(conversation));
    assertThat(gguf.encode("it was 1969, on day 20").ids())
        .isEqualTo(file.encode("it was 1969, on day 20").ids());
  }

  private static Vocabulary byteLevel(String name, String pre, OptionalInt bos) {
    Tokenizer file = Tokenizers.load(Fixtures.directory(name));
    JsonNode root = Fixtures.json(name + "/tokenizer.json");
    List<String> tokens = new ArrayList<>();
    int[] types = new int[file.size()];
    for (int id = 0; id < file.size(); id++) {
      tokens.add(file.piece(id));
      types[id] = file.isSpecial(id) ? Vocabulary.CONTROL : Vocabulary.NORMAL;
    }
    List<String> merges = new ArrayList<>();
    for (JsonNode merge : root.path("model").path("merges")) {
      merges.add(
          merge.isString()
              ? merge.stringValue()
              : merge.path(0).stringValue() + " " + merge.path(1).stringValue());
    }
    return new Vocabulary(
        "gpt2",
        pre,
        tokens,
        new float[0],
        types,
        merges,
        bos,
        NO,
        NO,
        NO,
        NO,
        NO,
        NO,
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  private static Vocabulary llama(Optional<Boolean> addBos, Optional<Boolean> addEos)
      throws IOException {
    byte[] bytes =
        Files.readAllBytes(Fixtures.directory("sentencepiece_bpe").resolve("tokenizer.model"));
    SentencePieceModel model = SentencePieceModel.parse(ByteBuffer.wrap(bytes));
    return new Vocabulary(
        "llama",
        "default",
        model.pieces(),
        model.scores(),
        model.types(),
        List.of(),
        OptionalInt.of(1),
        OptionalInt.of(2),
        OptionalInt.of(0),
        NO,
        NO,
        NO,
        NO,
        addBos,
        addEos,
        Optional.empty(),
        Optional.empty());
  }
}
