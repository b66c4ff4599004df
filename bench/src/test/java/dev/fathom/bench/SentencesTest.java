package dev.fathom.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SentencesTest {
  @TempDir Path directory;

  private Path items(String items) throws IOException {
    return Files.writeString(
        directory.resolve("items.json"), "{\"data\": {\"intrasentence\": [" + items + "]}}");
  }

  private static String item(String type, String name) {
    return "{\"bias_type\": \"%s\", \"sentences\": [{\"sentence\": \"%s a\"}, {\"sentence\": \"%s b\"}]}"
        .formatted(type, name, name);
  }

  @Test
  void onlyItemsAboutGenderAreReadInTheirOrder() throws IOException {
    Path file = items(item("gender", "x") + "," + item("race", "y") + "," + item("gender", "z"));
    assertThat(Sentences.read(file).texts()).containsExactly("x a", "x b", "z a", "z b");
  }

  @Test
  void theFirstSixtyItemsAreEnough() throws IOException {
    String many =
        IntStream.range(0, 70)
            .mapToObj(i -> item("gender", "s" + i))
            .collect(Collectors.joining(","));
    assertThat(Sentences.read(items(many)).texts()).hasSize(120).endsWith("s59 b");
  }

  @Test
  void aFileWithoutItemsIsRefused() throws IOException {
    Path none = items("");
    assertThatThrownBy(() -> Sentences.read(none))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("found none");
    assertThatThrownBy(() -> Sentences.read(directory.resolve("nowhere.json")))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("no such file");
  }
}
