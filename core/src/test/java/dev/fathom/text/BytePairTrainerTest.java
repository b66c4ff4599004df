package dev.fathom.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BytePairTrainerTest {
  private static final List<String> TEXTS =
      List.of(
          "The tower is in Paris.",
          "Paris is the capital of France.",
          "The tower in Paris is old, isn't it?",
          "5 plus 12 is 17.");

  @TempDir private Path folder;

  private Tokenizer trained(int size) throws IOException {
    var json = BytePairTrainer.train(TEXTS.stream(), size, "<s>", "</s>");
    Files.writeString(folder.resolve("tokenizer.json"), json.toString());
    Files.writeString(
        folder.resolve("tokenizer_config.json"),
        "{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\"}");
    return Tokenizers.load(folder);
  }

  @Test
  void frequentWordsBecomeOneToken() throws IOException {
    Tokenizer tokenizer = trained(320);
    int[] ids = tokenizer.encode("The tower is in Paris").ids();
    assertThat(tokenizer.display(ids[ids.length - 1])).isEqualTo(" Paris");
    assertThat(ids[0]).isZero();
    assertThat(ids).hasSize(6);
  }

  @Test
  void anyTextComesBack() throws IOException {
    Tokenizer tokenizer = trained(300);
    for (String text :
        List.of("The tower", "naïve café — 東京 🗼", "  two  spaces\n\ttab", "", "\u0000\u007f")) {
      assertThat(tokenizer.decode(tokenizer.encode(text).ids(), true)).isEqualTo(text);
    }
  }

  @Test
  void theSameTextsGiveTheSameVocabulary() {
    var once = BytePairTrainer.train(TEXTS.stream(), 310, "<s>", "</s>");
    var again = BytePairTrainer.train(TEXTS.reversed().stream(), 310, "<s>", "</s>");
    assertThat(again).isEqualTo(once);
  }

  @Test
  void itEndsWhereNoPairOccursTwice() {
    var json = BytePairTrainer.train(Stream.of("ab ab ab xy"), 5000, "<s>", "</s>");
    assertThat(json.path("model").path("merges")).hasSize(2); // a b, then the space before it
    assertThat(json.path("model").path("vocab")).hasSize(260);
  }

  @Test
  void fewerIdsThanBytesAreRefused() {
    assertThatThrownBy(() -> BytePairTrainer.train(TEXTS.stream(), 200, "<s>", "</s>"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("at least 258");
  }
}
