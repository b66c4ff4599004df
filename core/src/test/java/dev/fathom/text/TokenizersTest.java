package dev.fathom.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Finding the files, honouring what stands beside them, refusing what is not understood.
class TokenizersTest {
  @TempDir Path directory;

  @Test
  void theConfigBesideATokenizerJsonCanAskForBosAndEos() throws IOException {
    copy("byte_bpe_gpt2", "tokenizer.json");
    write(
        "tokenizer_config.json",
        """
        {"bos_token": {"content": "<|endoftext|>"}, "eos_token": "<|endoftext|>",
         "add_bos_token": true, "add_eos_token": true}\
        """);
    Tokenizer tokenizer = Tokenizers.load(directory);
    assertThat(tokenizer.encode("a").ids()).hasSize(3).startsWith(0).endsWith(0);
    assertThat(tokenizer.encode("a", SpecialTokens.NONE).ids()).hasSize(1);
    assertThat(tokenizer.specials().addsBos()).isTrue();
    assertThat(tokenizer.specials().addsEos()).isTrue();
  }

  @Test
  void theConfigBesideATokenizerJsonCanForbidBos() throws IOException {
    copy("byte_bpe_llama3", "tokenizer.json");
    write(
        "tokenizer_config.json",
        "{\"bos_token\": \"<|begin_of_text|>\", \"add_bos_token\": false}");
    Tokenizer tokenizer = Tokenizers.load(directory);
    assertThat(tokenizer.encode("Hello world").pieces()).startsWith("H").doesNotContain("<|b");
    assertThat(tokenizer.specials().addsBos()).isFalse();
    assertThat(tokenizer.specials().bos()).hasValue(0);
  }

  @Test
  void tokensThatOnlyTheConfigKnowsAreAdded() throws IOException {
    copy("byte_bpe_gpt2", "tokenizer.json");
    write("added_tokens.json", "{\"<think>\": 900}");
    Tokenizer tokenizer = Tokenizers.load(directory);
    assertThat(tokenizer.size()).isEqualTo(901);
    assertThat(tokenizer.encode("a<think>a").pieces()).containsExactly("a", "<think>", "a");
    assertThat(tokenizer.id("<think>")).isEqualTo(OptionalInt.of(900));
    assertThat(tokenizer.isSpecial(900)).isFalse();
  }

  @Test
  void truncationAndPaddingFromTrainingAreSwitchedOff() throws IOException {
    String json = Files.readString(Fixtures.directory("byte_bpe_gpt2").resolve("tokenizer.json"));
    write(
        "tokenizer.json",
        json.replaceFirst(
                "\"truncation\": ?null",
                "\"truncation\": {\"direction\": \"Right\", \"max_length\": 2, \"strategy\":"
                    + " \"LongestFirst\", \"stride\": 5}")
            .replaceFirst(
                "\"padding\": ?null",
                "\"padding\": {\"strategy\": {\"Fixed\": 64}, \"direction\": \"Right\","
                    + " \"pad_to_multiple_of\": null, \"pad_id\": 0, \"pad_type_id\": 0,"
                    + " \"pad_token\": \"<|endoftext|>\"}"));
    Tokenizer tokenizer = Tokenizers.load(directory);
    assertThat(tokenizer.encode("a b c d").pieces()).containsExactly("a", "Ġb", "Ġc", "Ġd");
  }

  @Test
  void rolesComeFromTheConfigElseFromTheModelElseFromCustomaryNames() throws IOException {
    copy("byte_bpe_llama3", "tokenizer.json");
    assertThat(Tokenizers.load(directory).specials().bos()).hasValue(0);
    assertThat(Tokenizers.load(directory).specials().eos()).hasValue(1);
    write("config.json", "{\"eos_token_id\": [2, 1]}");
    assertThat(Tokenizers.load(directory).specials().eos()).hasValue(2);
    write("special_tokens_map.json", "{\"eos_token\": \"<|end_of_text|>\"}");
    assertThat(Tokenizers.load(directory).specials().eos()).hasValue(1);
    write("tokenizer_config.json", "{\"eos_token\": null}");
    assertThat(Tokenizers.load(directory).specials().eos()).isEmpty();
  }

  @Test
  void bertAddsClsAndSep() {
    Specials specials = Tokenizers.load(Fixtures.directory("wordpiece_bert")).specials();
    assertThat(specials.addsBos()).isTrue();
    assertThat(specials.addsEos()).isTrue();
    assertThat(specials.cls()).hasValue(2);
    assertThat(specials.sep()).hasValue(3);
    assertThat(specials.mask()).hasValue(4);
    assertThat(specials.unk()).hasValue(1);
  }

  @Test
  void aBareTokenizerModelAddsNothing() {
    Tokenizer tokenizer = Tokenizers.load(Fixtures.directory("sentencepiece_bpe"));
    assertThat(tokenizer.specials().bos()).hasValue(1);
    assertThat(tokenizer.specials().eos()).hasValue(2);
    assertThat(tokenizer.specials().addsBos()).isFalse();
    assertThat(tokenizer.encode("<s>a").pieces()).doesNotContain("<s>");
  }

  @Test
  void theConfigBesideATokenizerModelAddsBosAndFurtherTokens() throws IOException {
    copy("sentencepiece_bpe", "tokenizer.model");
    write(
        "tokenizer_config.json",
        """
        {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true, "legacy": false,
         "added_tokens_decoder": {
           "702": {"content": "<|user|>", "special": true, "rstrip": true},
           "1": {"content": "<s>", "special": true}}}\
        """);
    Tokenizer tokenizer = Tokenizers.load(directory);
    Encoding encoding = tokenizer.encode("<|user|>  a</s>");
    assertThat(encoding.pieces()).containsExactly("<s>", "<|user|>", "a", "</s>");
    assertThat(encoding.starts()).containsExactly(0, 0, 10, 11);
    assertThat(encoding.ends()).containsExactly(0, 10, 11, 15);
    assertThat(tokenizer.size()).isEqualTo(703);
    assertThat(tokenizer.decode(new int[] {700, 701}, true)).isEmpty();
    assertThat(tokenizer.isSpecial(702)).isTrue();
    assertThat(tokenizer.decode(encoding.ids(), true)).isEqualTo("a");
  }

  @Test
  void aChatTemplateIsFoundWhereverItStands() throws IOException {
    copy("byte_bpe_gpt2", "tokenizer.json");
    assertThat(Tokenizers.load(directory).chatTemplate()).isEmpty();
    write("chat_template.json", "{\"chat_template\": \"third\"}");
    assertThat(Tokenizers.load(directory).chatTemplate()).hasValue("third");
    write(
        "tokenizer_config.json",
        """
        {"chat_template": [{"name": "tool_use", "template": "no"},
                           {"name": "default", "template": "second"}]}\
        """);
    assertThat(Tokenizers.load(directory).chatTemplate()).hasValue("second");
    write("chat_template.jinja", "first");
    assertThat(Tokenizers.load(directory).chatTemplate()).hasValue("first");
  }

  @Test
  void aDirectoryWithoutATokenizerIsRefused() {
    assertThatThrownBy(() -> Tokenizers.load(directory))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining(directory.toString())
        .hasMessageContaining("tokenizer.json");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[]",
        "{}",
        "{\"model\": {\"vocab\": {}}}",
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 4000000000}, \"merges\": []}}",
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": -1}, \"merges\": []}}",
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [[\"x\", \"y\"]]}}",
        "{\"model\": {\"type\": \"Telepathy\", \"vocab\": {\"a\": 0}}}"
      })
  void aTokenizerJsonThatMakesNoSenseIsRefused(String json) throws IOException {
    write("tokenizer.json", json);
    assertThatThrownBy(() -> Tokenizers.load(directory))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("tokenizer.json: ");
  }

  /// Each of these would end the process if native code saw it.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA\"}",
        "\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"BAAAAAAEAAA=\"}",
        "\"decoder\": {\"type\": \"Strip\", \"content\": \"a\", \"start\": 0, \"stop\": 9}",
        """
        "post_processor": {"type": "TemplateProcessing", "pair": [], "special_tokens": {},
            "single": [{"SpecialToken": {"id": "gone", "type_id": 0}}]}\
        """,
        """
        "post_processor": {"type": "unheard of", "single": "gone $A", "pair": "$A $B",
            "special_tokens": {}}\
        """,
        """
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a|aa)+$"},
            "behavior": "Isolated", "invert": false}\
        """
      })
  void aTokenizerJsonThatWouldEndTheProcessIsRefused(String part) throws IOException {
    write(
        "tokenizer.json",
        "{\"version\": \"1.0\", %s, \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0},"
                .formatted(part)
            + " \"merges\": []}}");
    assertThatThrownBy(() -> Tokenizers.load(directory))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("expected");
  }

  @Test
  void deeplyNestedJsonIsRefused() throws IOException {
    write("tokenizer.json", "{\"a\":".repeat(100_000));
    assertThatThrownBy(() -> Tokenizers.load(directory)).isInstanceOf(FathomException.class);
  }

  @Test
  void aTiktokenTableIsRefusedWithAdvice() throws IOException {
    write("tokenizer.model", "IQ== 0\nIg== 1\nIw== 2\n");
    assertThatThrownBy(() -> Tokenizers.load(directory))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("tiktoken")
        .hasMessageContaining("tokenizer.json");
  }

  private void copy(String fixture, String file) throws IOException {
    Files.copy(Fixtures.directory(fixture).resolve(file), directory.resolve(file));
  }

  private void write(String file, String text) throws IOException {
    Files.writeString(directory.resolve(file), text, StandardCharsets.UTF_8);
  }
}
