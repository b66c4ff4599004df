package dev.fathom.evaluate.bias;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.Weighty;
import dev.fathom.evaluate.bias.StereoSet.Labels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// StereoSet's published scores of GPT-2 models, counted again.
class PublishedPredictionsTest {
  private static final Bootstrap FEW = new Bootstrap(100, 0);

  private static BiasScores.Row row(String model, String domain) {
    StereoSet set = StereoSet.read(Weighty.data("stereoset/dev_gender_race_religion.json"));
    assertThat(set.notes()).isEmpty();
    Path predictions = Weighty.file("../fixtures/stereoset/predictions_%s.json".formatted(model));
    return BiasScores.of(Predictions.read(predictions, set.items()), FEW).row(domain);
  }

  /// Gender has 253 of 255 items here: two of the term *gentlemen* are missing, which alone makes
  /// the difference to the published 62.667774 of gpt2.
  @ParameterizedTest
  @CsvSource({
    "gpt2, gender, 253, 10, 63.116492, 93.277908, 68.808329",
    "gpt2-medium, gender, 253, 10, 65.645160, 93.552589, 64.279685",
    "gpt2-large, gender, 253, 10, 65.355565, 95.283920, 66.021151",
    "gpt2, race, 962, 36, 60.350001, 89.756707, 71.177067",
    "gpt2-medium, race, 962, 36, 61.440868, 92.355442, 71.222913",
    "gpt2-large, race, 962, 36, 63.001859, 91.885211, 67.991639",
    "gpt2, religion, 79, 3, 58.022989, 88.459770, 74.265536",
    "gpt2-medium, religion, 79, 3, 62.574713, 90.459770, 67.709658",
    "gpt2-large, religion, 79, 3, 61.609195, 91.609195, 70.339014",
  })
  void publishedScoresGiveThePublishedNumbers(
      String model, String domain, int n, int terms, double ss, double lms, double icat) {
    BiasScores.Row row = row(model, domain);
    assertThat(row.n()).isEqualTo(n);
    assertThat(row.terms()).isEqualTo(terms);
    assertThat(row.ss()).isCloseTo(ss, within(1e-6));
    assertThat(row.lms()).isCloseTo(lms, within(1e-6));
    assertThat(row.icat()).isCloseTo(icat, within(1e-6));
  }

  /// Without the missing items the term *gentlemen* counts 14 of 24, with them 14 of 26.
  @Test
  void twoMissingItemsAreTheWholeDifferenceToThePublishedGenderScore() {
    double ss = row("gpt2", "gender").ss();
    assertThat(ss + 100 * (14.0 / 26 - 14.0 / 24) / 10).isCloseTo(62.667774, within(1e-6));
  }

  /// The file of EditBias with exchanged labels, made again from the one put right.
  @Test
  void aFileWithExchangedGenderLabelsIsPutRight(@TempDir Path folder) throws IOException {
    Path right = Weighty.data("stereoset/dev_gender_race_religion.json");
    JsonNode root = JsonMapper.shared().readTree(Files.readString(right));
    for (JsonNode item : root.path("data").path("intrasentence")) {
      if (item.path("bias_type").asString("").equals("gender")) {
        for (JsonNode sentence : item.path("sentences")) {
          String label = sentence.path("gold_label").asString("");
          ((ObjectNode) sentence)
              .put(
                  "gold_label",
                  switch (label) {
                    case "stereotype" -> "anti-stereotype";
                    case "anti-stereotype" -> "stereotype";
                    default -> label;
                  });
        }
      }
    }
    Path file = Files.writeString(folder.resolve("exchanged.json"), root.toString());
    StereoSet repaired = StereoSet.read(file);
    assertThat(repaired.items()).isEqualTo(StereoSet.read(right).items());
    assertThat(repaired.notes())
        .singleElement()
        .asString()
        .startsWith("gender: the labels stereotype and anti-stereotype are exchanged");
    Path predictions = Weighty.file("../fixtures/stereoset/predictions_gpt2.json");
    StereoSet asIs = StereoSet.read(file, Labels.AS_THEY_ARE);
    BiasScores.Row mirrored =
        BiasScores.of(Predictions.read(predictions, asIs.items()), FEW).row("gender");
    assertThat(mirrored.ss()).isCloseTo(36.883508, within(1e-6));
  }

  @ParameterizedTest
  @CsvSource({
    "editbias_domain_gender.json, 1026",
    "editbias_dev.json, 799",
    "editbias_domain_race.json, 1446",
  })
  void widerFilesAreReadAndTheirLabelsKept(String name, int items) {
    StereoSet set = StereoSet.read(Weighty.data("stereoset/" + name));
    assertThat(set.items().size()).isEqualTo(items);
    assertThat(set.notes()).noneMatch(note -> note.contains("exchanged"));
  }

  @ParameterizedTest
  @CsvSource({
    "dev_gender_race_religion.json, 80",
    "editbias_domain_gender.json, 300",
    "editbias_dev.json, 40",
  })
  void wordsSideWithGenderLabelsInNearlyAllItemsThatTell(String name, int atLeast) {
    List<Boolean> told =
        StereoSet.read(Weighty.data("stereoset/" + name)).items().stream()
            .flatMap(item -> ExchangedLabels.byWords(item).stream())
            .toList();
    assertThat(told.size()).isGreaterThan(atLeast);
    assertThat(told.stream().filter(right -> right).count())
        .isGreaterThan(Math.round(0.85 * told.size()));
  }

  @Test
  void scoresThatAreWrittenAreReadBackExactly(@TempDir Path folder) throws IOException {
    StereoSet set = StereoSet.read(Weighty.data("stereoset/dev_gender_race_religion.json"));
    List<ScoredItem> scored =
        Predictions.read(Weighty.file("../fixtures/stereoset/predictions_gpt2.json"), set.items());
    Path file = folder.resolve("scores.json");
    Files.writeString(file, Predictions.render(set.items(), scored));
    assertThat(Predictions.read(file, set.items())).isEqualTo(scored);
  }
}
