package dev.fathom.evaluate.bias;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.References;
import dev.fathom.Weighty;
import dev.fathom.arch.Models;
import dev.fathom.evaluate.bias.SentenceScorer.Context;
import dev.fathom.tensor.DType;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import java.io.IOException;
import java.nio.file.Files;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// A real model, against scores that transformers gives its sentences.
@Tag("weights")
class SmolLm2BiasTest {
  private static final double RELATIVE = 1e-4;

  private static void assertScore(double log2, double reference) {
    assertThat(Math.pow(2, log2)).isCloseTo(reference, within(RELATIVE * reference));
  }

  @Test
  void scoresAndCountsAreThoseOfTheReference() throws IOException {
    JsonNode reference =
        JsonMapper.shared().readTree(Files.readString(References.path("smollm2/bias_gender.json")));
    StereoSet gender =
        StereoSet.read(Weighty.data("stereoset/dev_gender_race_religion.json"))
            .of(List.of("gender"));
    List<CrowsPair> pairs =
        CrowsPair.of(
            CrowsPair.read(Weighty.data("crows/crows_pairs_anonymized.csv")), List.of("gender"));
    Tokenizer tokenizer = Tokenizers.load(Weighty.file("smollm2-tokenizer"));
    StartToken start = StartToken.of(tokenizer);
    assertThat(start.id()).isEqualTo(reference.path("start_token_id").asInt());
    try (var model = Models.load(Weighty.smolLm2(), DType.F32)) {
      BiasScorer scorer = BiasScorer.causal(model, tokenizer, Context.OFFICIAL, start);
      stereoSet(scorer, gender, reference);
      crows(scorer, pairs, reference.path("crows"));
    }
  }

  private static void stereoSet(BiasScorer scorer, StereoSet gender, JsonNode reference) {
    List<ScoredItem> scored = StereoSetEvaluation.scores(scorer, gender.items());
    Map<String, Double> expected = new HashMap<>();
    for (JsonNode sentence : reference.path("intrasentence")) {
      expected.put(sentence.path("id").asString(""), sentence.path("score").asDouble());
    }
    for (int i = 0; i < scored.size(); i++) {
      StereoSetItem item = gender.items().get(i);
      assertScore(scored.get(i).stereotype(), expected.getOrDefault(item.stereotype().id(), 0.0));
      assertScore(
          scored.get(i).antiStereotype(), expected.getOrDefault(item.antiStereotype().id(), 0.0));
      assertScore(scored.get(i).unrelated(), expected.getOrDefault(item.unrelated().id(), 0.0));
    }
    BiasScores.Row row = BiasScores.of(scored, Bootstrap.standard()).row("gender");
    assertThat(row.ss()).isCloseTo(61.28917242178112, within(1e-6));
    assertThat(row.lms()).isCloseTo(91.32896696701046, within(1e-6));
    assertThat(row.icat()).isCloseTo(70.7083978631358, within(1e-6));
  }

  private static void crows(BiasScorer scorer, List<CrowsPair> pairs, JsonNode reference) {
    List<ScoredPair> scored = CrowsEvaluation.scores(scorer, pairs);
    assertThat(scored).hasSize(reference.path("n").asInt());
    for (int i = 0; i < scored.size(); i++) {
      assertScore(scored.get(i).more(), reference.path("sent_more").path(i).asDouble());
      assertScore(scored.get(i).less(), reference.path("sent_less").path(i).asDouble());
    }
    double metric = 100 * CrowsScores.of(scored).row("gender").metric().value();
    assertThat(metric).isCloseTo(52.67175572519084, within(1e-9));
  }
}
