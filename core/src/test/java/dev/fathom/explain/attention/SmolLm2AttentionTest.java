package dev.fathom.explain.attention;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.References;
import dev.fathom.Weighty;
import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.model.Numbers;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.view.Grid;
import java.io.IOException;
import java.nio.file.Files;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Patterns, rollout and norms against transformers in float32 on a real model: see
/// `fixtures/smollm2/ORIGIN.md`.
@Tag("weights")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SmolLm2AttentionTest {
  private static final double TOLERANCE = 2e-4;
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

  @ParameterizedTest
  @ValueSource(strings = {"knowledge", "ioi", "gender"})
  void mixingEqualsTheReference(String name) throws IOException {
    JsonNode expected =
        JsonMapper.shared()
            .readTree(Files.readString(References.path("smollm2/" + name + ".json")));
    int[] ids = expected.get("input_ids").valueStream().mapToInt(JsonNode::asInt).toArray();
    var numbers = new Numbers(model.outputs());
    var prompt = Prompt.ofIds(numbers, ids);
    int last = ids.length - 1;
    try (var reference = References.open("smollm2/" + name + ".safetensors")) {
      if (reference.has("attention")) {
        check(reference, "attention", AttentionPatterns.run(model, numbers, prompt).attention());
      }
      var rollout = TokenMixing.run(model, numbers, prompt, last, TokenMixing.Method.ROLLOUT);
      check(reference, "rollout", rollout.total());
      var norms = TokenMixing.run(model, numbers, prompt, last, TokenMixing.Method.NORMS);
      check(reference, "attn_source_norm", norms.lengths().orElseThrow().select(1, last));
    }
    // the model puts most of its attention on the first token, which rollout inherits
    var sinks = AttentionSinks.run(model, numbers, prompt, 4, 8);
    double mean = 0;
    for (float share : sinks.mass().values()) {
      mean += share / sinks.mass().size();
    }
    assertThat(mean).isGreaterThan(1.3 * sinks.uniform());
  }

  private static void check(References reference, String name, Grid found) {
    reference.assertClose(name, found.values(), TOLERANCE);
  }
}
