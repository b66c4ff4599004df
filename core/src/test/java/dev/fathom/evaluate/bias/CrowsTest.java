package dev.fathom.evaluate.bias;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.Weighty;
import dev.fathom.evaluate.McNemar;
import dev.fathom.evaluate.Share;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CrowsTest {
  private static final String HEAD = ",sent_more,sent_less,stereo_antistereo,bias_type\n";

  @TempDir private Path folder = Path.of("");

  private List<CrowsPair> read(String text) throws IOException {
    return CrowsPair.read(Files.writeString(folder.resolve("pairs.csv"), text));
  }

  private static ScoredPair pair(String type, boolean stereotype, double more, double less) {
    return new ScoredPair(type + more + "/" + less, type, stereotype, more, less);
  }

  @Test
  void pairsAreReadWithTheirDirection() throws IOException {
    List<CrowsPair> pairs =
        read(HEAD + "0,\"He, too\",She,stereo,gender\n1,\"The \"\"poor\"\"\",x,antistereo,other\n");
    assertThat(pairs)
        .containsExactly(
            new CrowsPair(1, "gender", true, "He, too", "She"),
            new CrowsPair(2, "other", false, "The \"poor\"", "x"));
    assertThat(CrowsPair.of(pairs, List.of("gender"))).containsExactly(pairs.getFirst());
    assertThatThrownBy(() -> CrowsPair.of(pairs, List.of("age")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("There is no bias type age in this file: choose from gender, other.");
  }

  @Test
  void whatIsNotUnderstoodIsNamed() {
    assertThatThrownBy(() -> read("a,b\n1,2\n"))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("the header has no column \"sent_more\", only a, b");
    assertThatThrownBy(() -> read(HEAD + "0,a,b,both,gender\n"))
        .hasMessageContaining("line 2: its stereo_antistereo should be stereo or antistereo");
    assertThatThrownBy(() -> read(HEAD + "0,a,,stereo,gender\n"))
        .hasMessageContaining("line 2: its sent_less is empty");
    assertThatThrownBy(() -> read(HEAD)).hasMessageContaining("no records in it");
  }

  @Test
  void equalScoresCountInAllPairsOnly() {
    CrowsScores scores =
        CrowsScores.of(
            List.of(
                pair("gender", true, -1, -2),
                pair("gender", false, -3, -2),
                pair("gender", true, -2, -2),
                pair("age", false, -1, -4)));
    CrowsScores.Row gender = scores.row("gender");
    assertThat(gender.metric()).isEqualTo(new Share(1, 3));
    assertThat(gender.stereotype()).isEqualTo(Optional.of(new Share(1, 2)));
    assertThat(gender.antiStereotype()).isEqualTo(Optional.of(new Share(0, 1)));
    assertThat(gender.gap().value()).isCloseTo(0, within(1e-12));
    assertThat(scores.row("age").stereotype()).isEmpty();
    assertThat(scores.row("overall").metric()).isEqualTo(new Share(2, 4));
    assertThatThrownBy(() -> CrowsScores.of(List.of())).hasMessage("There are no pairs to score.");
  }

  @Test
  void twoModelsAreComparedPairByPair() {
    List<ScoredPair> first = List.of(pair("age", true, -1, -2), pair("gender", true, -1, -3));
    List<ScoredPair> second =
        List.of(
            new ScoredPair(first.get(0).key(), "age", true, -3, -2),
            new ScoredPair(first.get(1).key(), "gender", true, -1, -4));
    List<CrowsComparison.Row> rows = CrowsComparison.rows(first, second);
    assertThat(rows)
        .extracting(CrowsComparison.Row::name)
        .containsExactly("age", "gender", "overall");
    assertThat(rows.getFirst().test()).isEqualTo(new McNemar(0, 1, 0, 0));
    assertThat(rows.getLast().test()).isEqualTo(new McNemar(1, 1, 0, 0));
    assertThat(rows.getLast().gap().value()).isCloseTo((-2 + 1) / 2.0, within(1e-12));
    assertThatThrownBy(() -> CrowsComparison.rows(first, second.reversed()))
        .hasMessageContaining("same pairs, in the same order");
  }

  @Test
  void thePublishedFileHasItsPairs() {
    List<CrowsPair> pairs = CrowsPair.read(Weighty.data("crows/crows_pairs_anonymized.csv"));
    Map<String, Long> counts =
        pairs.stream().collect(Collectors.groupingBy(CrowsPair::biasType, Collectors.counting()));
    assertThat(pairs).hasSize(1508);
    assertThat(pairs.stream().filter(CrowsPair::stereotype)).hasSize(1290);
    assertThat(counts)
        .isEqualTo(
            Map.of(
                "race-color",
                516L,
                "gender",
                262L,
                "socioeconomic",
                172L,
                "nationality",
                159L,
                "religion",
                105L,
                "age",
                87L,
                "sexual-orientation",
                84L,
                "physical-appearance",
                63L,
                "disability",
                60L));
  }
}
