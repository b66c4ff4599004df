package dev.fathom.explain.causal;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.References;
import dev.fathom.Weighty;
import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.explain.Question;
import dev.fathom.model.Numbers;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.view.Result;
import java.io.IOException;
import java.nio.file.Files;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Ablation and patching against a plain loop of hooks on transformers, in float32, on a real
/// model: see `fixtures/smollm2/ORIGIN.md`.
@Tag("weights")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SmolLm2SweepTest {
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
  @ValueSource(strings = {"knowledge", "ioi"}) // gender too is equal, but takes a minute
  void mapsEqualTheReference(String name) throws IOException {
    JsonNode expected =
        JsonMapper.shared()
            .readTree(Files.readString(References.path("smollm2/" + name + ".json")));
    var numbers = new Numbers(model.outputs());
    var prompt = Prompt.ofIds(numbers, ids(expected, "input_ids"));
    var question = Question.of(prompt, expected.get("target_id").asInt());
    var ablated = Ablation.run(model, numbers, question, Ablation.Config.standard());
    assertThat(ablated.clean())
        .isCloseTo(expected.get("base_logit").asDouble(), Offset.offset(1e-3));
    var patched =
        Patching.run(
            model,
            numbers,
            question,
            Prompt.ofIds(numbers, ids(expected, "corrupt_ids")),
            Patching.Config.standard()
                .of(Patching.Part.STREAM, Patching.Part.ATTENTION, Patching.Part.MLP));
    assertThat(patched.corrupt())
        .isCloseTo(expected.get("corrupt_logit").asDouble(), Offset.offset(1e-3));
    try (var reference = References.open("smollm2/" + name + ".safetensors")) {
      assertEqual(reference, ablated);
      assertEqual(reference, patched);
    }
  }

  private static void assertEqual(References reference, Result result) {
    result.arrays().forEach((name, grid) -> reference.assertClose(name, grid.values(), TOLERANCE));
  }

  private static int[] ids(JsonNode json, String name) {
    return json.get(name).valueStream().mapToInt(JsonNode::asInt).toArray();
  }
}
