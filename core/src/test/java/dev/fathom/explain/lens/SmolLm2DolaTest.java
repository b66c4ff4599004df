package dev.fathom.explain.lens;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.References;
import dev.fathom.Weighty;
import dev.fathom.arch.Models;
import dev.fathom.data.Prompt;
import dev.fathom.explain.lens.Dola.Divergence;
import dev.fathom.model.Layout;
import dev.fathom.model.Numbers;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Locale;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Against the definition in PyTorch on a real model: `fixtures/smollm2/dola.py`.
@Tag("weights")
class SmolLm2DolaTest {
  /// Two candidates whose divergences differ by less may change places.
  private static final double TIE = 1e-4;

  private static JsonNode json(String name) throws IOException {
    return JsonMapper.shared().readTree(Files.readString(References.path("smollm2/" + name)));
  }

  @Test
  void layersAndScoresEqualTheReference() throws IOException {
    JsonNode expected = json("dola.json");
    int[] ids = json("ioi.json").get("input_ids").valueStream().mapToInt(JsonNode::asInt).toArray();
    try (var model = Models.load(Weighty.smolLm2(), DType.F32);
        var scope = Scope.withoutGradients()) {
      var numbers = new Numbers(model.outputs());
      for (String half : new String[] {"low", "high"}) {
        for (Divergence divergence : Divergence.values()) {
          for (boolean normed : new boolean[] {true, false}) {
            Dola.Config config =
                half.equals("low") ? Dola.Config.low(model) : Dola.Config.high(model);
            config = config.with(divergence);
            var dola = Dola.of(model, normed ? config : config.withoutNorm());
            String name =
                "%s.%s.%s"
                    .formatted(
                        half,
                        divergence.name().toLowerCase(Locale.ROOT),
                        normed ? "normed" : "raw");
            same(expected.get(name), dola, numbers, ids, name);
          }
        }
      }
    }
  }

  private static void same(JsonNode expected, Dola dola, Numbers numbers, int[] ids, String name) {
    DolaResult trace = dola.trace(numbers, Prompt.ofIds(numbers, ids), 1);
    for (int t = 0; t + 1 < ids.length; t++) {
      if (expected.get("gap").get(t).asDouble() > TIE) {
        assertThat(trace.layers().integerAt(t))
            .as("%s at %d", name, t)
            .isEqualTo(expected.get("layers").get(t).asLong());
      }
    }
    if (expected.get("gap").get(ids.length - 1).asDouble() <= TIE) {
      return; // streams without their norm are so far off that the textbook's divergence is ln 2
    }
    double[] scores =
        dola.logits(Tensor.of(ids, ids.length), Layout.single(ids.length), Wanted.LAST).toDoubles();
    for (int k = 0; k < expected.get("ids").size(); k++) {
      double score = expected.get("scores").get(k).asDouble();
      assertThat(scores[expected.get("ids").get(k).asInt()])
          .as("%s, score %d", name, k)
          .isCloseTo(score, within(2e-4 * Math.max(1, Math.abs(score))));
    }
  }
}
