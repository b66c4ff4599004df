package dev.fathom.concepts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Dictionaries from strangers.
class DictionaryTest {
  private static final String INDEX =
      """
      {"fathom.dictionary": 1, "site": "resid_post", "layers": [3], "concepts": [
        {"name": "love", "group": "feelings", "pairs": 8, "held": 2}, {"name": "law", "pairs": 4}]}
      """;

  @TempDir private Path folder;

  private void layer(String kind, String model, int count, int width, int rows) throws IOException {
    List<TensorSpec> specs = Dictionary.specs(count, width);
    Card card = Card.of(kind, "representation reading", "model", model);
    Path path = folder.resolve("layer-03-%d.safetensors".formatted(rows));
    try (var writer = SafetensorsWriter.create(path, specs, card.toMetadata())) {
      for (TensorSpec spec : specs) {
        writer.append(spec.name(), new float[(int) (spec.bytes() / 4)]);
      }
      writer.commit();
    }
  }

  @Test
  void aFolderIsOpened() throws IOException {
    Files.writeString(folder.resolve("dictionary.json"), INDEX);
    layer("dictionary", "aa", 2, 5, 2);
    try (var dictionary = Dictionary.open(folder)) {
      assertThat(dictionary.width()).isEqualTo(5);
      assertThat(dictionary.groups()).containsOnlyKeys("feelings");
      assertThat(dictionary.place("law")).isEqualTo(1);
      assertThat(dictionary.direction(3, "law")).hasSize(5);
      assertThatThrownBy(() -> dictionary.place("lover"))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("there is no concept 'lover' among its 2, such as love");
      assertThatThrownBy(() -> dictionary.directions(4))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("layer 4 was not read, only [3]");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"fathom.dictionary\": 1 | \"fathom.dictionary\": 2 | expected \"fathom.dictionary\": 1",
        "resid_post | pattern | expected the \"site\" of a layer",
        "[3] | [] | it names no layers",
        "[3] | [-1] | layer-",
        "\"law\" | \"love\" | the name of another",
        "\"law\" | \"\" | has no name",
        "law | more\"}, {\"name\": \"law | layer-03-3.safetensors",
      })
  void aBrokenIndexIsRefused(String from, String to, String message) throws IOException {
    Files.writeString(folder.resolve("dictionary.json"), INDEX.replace(from, to));
    layer("dictionary", "aa", 2, 5, 2);
    assertThatThrownBy(() -> Dictionary.open(folder))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining(message);
  }

  @Test
  void filesThatDoNotFitAreRefused() throws IOException {
    assertThatThrownBy(() -> Dictionary.open(folder))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("expected a folder with dictionary.json, found none");
    Files.writeString(folder.resolve("dictionary.json"), INDEX);
    layer("dictionary", "aa", 3, 5, 2);
    assertThatThrownBy(() -> Dictionary.open(folder))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("expected 'direction' of [2, 5] numbers in F32, found F32 [3, 5]");
    layer("probe", "aa", 2, 5, 2);
    assertThatThrownBy(() -> Dictionary.open(folder))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("where 'dictionary' is expected");
  }
}
