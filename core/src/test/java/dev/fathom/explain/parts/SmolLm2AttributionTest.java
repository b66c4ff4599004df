package dev.fathom.explain.parts;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.References;
import dev.fathom.Weighty;
import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.explain.Question;
import dev.fathom.explain.parts.TokenDecomposition.Config;
import dev.fathom.explain.parts.TokenDecomposition.Gated;
import dev.fathom.model.Numbers;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Objects;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Sums of the logit on a real model, against transformers in float32: see
/// `fixtures/smollm2/ORIGIN.md`.
@Tag("weights")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SmolLm2AttributionTest {
  private Transformer model;

  @BeforeAll
  void load() {
    model = Models.load(Weighty.smolLm2(), DType.F32);
  }

  @AfterAll
  void close() {
    if (model != null) {
      model.close();
    }
  }

  private Question question(String name) throws IOException {
    JsonNode expected =
        JsonMapper.shared()
            .readTree(Files.readString(References.path("smollm2/" + name + ".json")));
    int[] ids = expected.get("input_ids").valueStream().mapToInt(JsonNode::asInt).toArray();
    return Question.of(
        Prompt.ofIds(new Numbers(model.outputs()), ids), expected.get("target_id").asInt());
  }

  @ParameterizedTest
  @ValueSource(strings = {"knowledge", "ioi", "gender"})
  void directAttributionEqualsTheReference(String name) throws IOException {
    var result = DirectLogitAttribution.run(model, new Numbers(model.outputs()), question(name));
    try (var reference = References.open("smollm2/" + name + ".safetensors")) {
      for (String array : new String[] {"dla_embed", "dla_attn", "dla_mlp", "attn_source_dla"}) {
        reference.assertClose(
            array, Objects.requireNonNull(result.arrays().get(array)).values(), 2e-4);
      }
      reference.assertClose("attn_source_norm", result.sourceNorms().values(), 2e-4);
    }
    assertThat(result.sum()).isCloseTo(result.logit(), Offset.offset(1e-3));
  }

  @Test
  void theDecompositionIsCompleteAndOneBackwardPassFindsItsScores() throws IOException {
    Question question = question("knowledge");
    var whole =
        TokenDecomposition.run(model, new Numbers(model.outputs()), question, Config.standard());
    assertThat(whole.gap()).isLessThan(1e-4);
    assertThat(whole.logit()).isCloseTo(12.841863632202148, Offset.offset(1e-3));
    float[] scores =
        TokenDecomposition.scores(model, new Numbers(model.outputs()), question, Gated.SYMMETRIC)
            .scores()
            .values();
    double sum = 0;
    for (int k = 0; k < scores.length; k++) {
      assertThat((double) scores[k]).isCloseTo(whole.score(k), Offset.offset(1e-3));
      sum += scores[k];
    }
    assertThat(sum).isCloseTo(whole.logit(), Offset.offset(1e-3)); // no biases in this family
  }
}
