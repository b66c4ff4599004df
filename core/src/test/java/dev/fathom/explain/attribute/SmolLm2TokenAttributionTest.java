package dev.fathom.explain.attribute;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.References;
import dev.fathom.Weighty;
import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.model.Numbers;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Against PyTorch's gradients in float32 on a real model: see `fixtures/smollm2/ORIGIN.md`.
@Tag("weights")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SmolLm2TokenAttributionTest {
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
  void gradientsEqualTheReference(String name) throws IOException {
    var methods =
        List.of(
            new AttributionMethod.GradientTimesInput(),
            new AttributionMethod.Saliency(),
            new AttributionMethod.IntegratedGradients(
                Filler.ZERO, AttributionMethod.Path.MIDPOINT, 64));
    AttributionResult result = Attribution.run(model, numbers(), question(name), methods);
    try (var reference = References.open("smollm2/" + name + ".safetensors")) {
      for (String array : List.of("grad_x_input", "grad_norm")) {
        reference.assertClose(
            array, Objects.requireNonNull(result.arrays().get(array)).values(), TOLERANCE);
      }
      String path = "integrated_gradients_zero_baseline_midpoint64";
      reference.assertClose(path, Objects.requireNonNull(result.arrays().get(path)).values(), 1e-3);
      if (name.equals("knowledge")) { // a zero vector is far from anything the model has read
        assertThat(result.attributions().getLast().converged()).isFalse();
        assertThat(result.attributions().getLast().notes().getFirst()).contains("not converged");
      }
    }
  }

  private Numbers numbers() {
    return new Numbers(model.outputs());
  }

  private Question question(String name) throws IOException {
    JsonNode expected =
        JsonMapper.shared()
            .readTree(Files.readString(References.path("smollm2/" + name + ".json")));
    int[] ids = expected.get("input_ids").valueStream().mapToInt(JsonNode::asInt).toArray();
    return Question.of(Prompt.ofIds(numbers(), ids), expected.get("target_id").asInt())
        .measuredBy(Metric.LOG_PROB);
  }
}
